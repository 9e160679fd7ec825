//! What the monitor shows of what it read itself.

use std::collections::HashSet;

use lfs_wrapper_kernel::expose;
use lfs_wrapper_model::metric::Point;

use crate::live::Live;
use crate::remote;

/// The newest sample's points and the monitor's own.
pub(crate) fn own_points(live: &Live) -> Vec<Point> {
    let (sample, processes, own) = live.sample();
    let mut points = sample.as_ref().map(expose).unwrap_or_default();
    points.extend(processes.iter().cloned());
    points.extend(own.expose());
    points.extend(remote::expose(live.remotes()));
    points.extend(live.channels());
    points
}

/// The names of [`own_points`].
pub(crate) fn own_names(live: &Live) -> HashSet<String> {
    let points = own_points(live);
    let names = points.iter().map(|point| point.metric.name().to_owned());
    names.collect()
}
