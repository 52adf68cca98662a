//! Owns jobs that outlive the process: see the engine.

pub mod cron;
