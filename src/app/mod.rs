//! The applications that run on firstbyte, one folder each.
//!
//! Never: named by `http` or `net`; an application knows them, and not another application.

pub mod chain;
pub mod lab;
