//! How long criterion takes for one number: briefly, so that all benches together take about a minute. A regression is
//! looked at again with `-- --measurement-time 10`.

use std::time::Duration;

use criterion::Criterion;

pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .without_plots()
}
