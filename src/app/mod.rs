//! What runs on firstbyte: pages that show the server at work, and the applications, one folder each.
//!
//! Never: named by `http` or `net`; an application knows them, and no other application but `page`, `accounts` and `queue`, which have
//! no routes of their own but the files of all pages.

pub mod accounts;
pub mod canvas;
pub mod chain;
pub mod errors;
pub mod health;
pub mod home;
pub mod identity;
pub mod inspect;
pub mod inventory;
pub mod jobs;
pub mod lab;
pub mod limits;
pub mod metrics;
pub mod page;
pub mod queue;
pub mod services;
pub mod session;
pub mod webhooks;
