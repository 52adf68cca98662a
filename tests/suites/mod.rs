//! What every form of a store does alike, run over each of them.

pub mod accounts;
pub mod queue;
pub mod sessions;
