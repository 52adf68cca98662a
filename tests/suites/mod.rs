//! What every form of a store does alike, run over each of them.

pub mod accounts;
pub mod inventory;
pub mod queue;
pub mod schedules;
pub mod sessions;
pub mod webhooks;
pub mod workers;
