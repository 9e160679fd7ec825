//! What the hardware says of itself: sensors, temperatures, power.

pub(crate) mod hwmon;
pub(crate) mod power_supply;
pub(crate) mod thermal;
