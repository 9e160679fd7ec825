//! Where things lie: by who asks, and by what was given.

use std::path::{Path, PathBuf};

/// The folders and files of one instance.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) state: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) config: PathBuf,
}

/// Decides by the folder given, if one was, by whether root asks, and by the
/// XDG variables. `None` where not even a home folder is known.
pub(crate) fn plan_places(
    state_dir: Option<&Path>,
    root: bool,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Option<Places> {
    // Two instances in two folders never meet.
    if let Some(state) = state_dir {
        return Some(Places {
            runtime: state.join("run"),
            config: state.join("config.toml"),
            state: state.to_owned(),
        });
    }
    if root {
        return Some(Places {
            state: "/var/lib/lfs-wrapper".into(),
            runtime: "/run/lfs-wrapper".into(),
            config: "/etc/lfs-wrapper/config.toml".into(),
        });
    }
    // The XDG base directory specification: what is not absolute is ignored.
    let xdg = |name: &str| variable(name).filter(|path| path.is_absolute());
    let home = |below: &str| variable("HOME").map(|home| home.join(below));
    let state = xdg("XDG_STATE_HOME")
        .or_else(|| home(".local/state"))?
        .join("lfs-wrapper");
    let config = xdg("XDG_CONFIG_HOME").or_else(|| home(".config"))?;
    Some(Places {
        runtime: xdg("XDG_RUNTIME_DIR")
            .map_or_else(|| state.join("run"), |runtime| runtime.join("lfs-wrapper")),
        config: config.join("lfs-wrapper/config.toml"),
        state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(state_dir: Option<&str>, root: bool, variables: &[(&str, &str)]) -> [String; 3] {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| PathBuf::from(value))
        };
        let places = plan_places(state_dir.map(Path::new), root, variable).unwrap();
        [places.state, places.runtime, places.config].map(|path| path.display().to_string())
    }

    #[test]
    fn each_kind_of_user_has_their_places() {
        assert_eq!(
            places(None, true, &[]),
            [
                "/var/lib/lfs-wrapper",
                "/run/lfs-wrapper",
                "/etc/lfs-wrapper/config.toml"
            ]
        );
        assert_eq!(
            places(
                None,
                false,
                &[("HOME", "/home/u"), ("XDG_STATE_HOME", "not/absolute")]
            ),
            [
                "/home/u/.local/state/lfs-wrapper",
                "/home/u/.local/state/lfs-wrapper/run",
                "/home/u/.config/lfs-wrapper/config.toml"
            ]
        );
        assert_eq!(
            places(
                None,
                false,
                &[("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/1000")]
            )[1],
            "/run/user/1000/lfs-wrapper"
        );
        assert_eq!(
            places(Some("/x"), true, &[]),
            ["/x", "/x/run", "/x/config.toml"]
        );
        assert!(plan_places(None, false, |_| None).is_none());
    }
}
