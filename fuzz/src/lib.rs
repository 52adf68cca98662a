//! What the fuzz targets share among themselves and with the tests.

#[path = "../../tests/judge/mod.rs"]
pub mod judge;
pub mod tape;
pub mod told;
