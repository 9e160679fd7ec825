//! From alert to person, as a pure function: what is true and what each channel
//! was told give what to tell now, and why the rest is not told.
//!
//! It compares levels and not events. So what a silence, an inhibition or quiet
//! hours held back is told when they end, if it still holds, and a restart
//! forgets nothing. [`settings`] is what people choose, [`world`] what is true,
//! [`plan()`] what follows; the words are explained in docs/alert-routing.md.

mod group;
mod news;
mod plan;
mod restraint;
pub mod settings;
pub mod world;

pub use plan::plan;
pub use settings::{Flapping, GroupBy, Inhibition, LocalTime, Quiet, Route, Routing};
pub use world::{
    Flap, FlapChange, GroupSent, Life, Living, Plan, Row, Silence, Suppressed, Told, ToldChange,
    ToldState, Why, World,
};
