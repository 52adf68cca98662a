//! The real binary over real sockets, driven by the clients that people use: curl, nc, Python, a browser.
//!
//! Each test has a server of its own, on a port that the system chose; a drop ends it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "all of this is tests")]

mod accounts;
mod autobahn;
mod browser;
mod cache;
mod cancellation;
mod canvas;
mod canvas_page;
mod check;
mod chromium;
mod client;
mod clients;
mod command_line;
mod compile_errors;
mod crowds;
mod database;
mod db_postgres;
mod db_redis;
mod deadlines;
mod documents;
mod drain;
mod examples;
mod fanout;
mod floods;
mod health;
mod http_client;
mod identity;
mod inventory;
mod inventory_page;
mod jobs;
mod jwt;
mod layers;
mod limits;
mod login;
mod metrics;
mod migrate;
mod migrations;
mod nodes;
mod over_postgres;
mod process;
mod queue;
mod queue_figures;
mod queue_kills;
mod resets;
mod schedules;
mod schemathesis;
mod server;
mod service;
mod services;
mod session_nodes;
mod session_page;
mod sessions;
mod shortage;
mod siege;
mod store;
mod stream;
#[path = "../suites/mod.rs"]
mod suites;
mod tools;
mod webhooks;
mod websocket;
mod wire;
mod ws_bench;
mod ws_client;
