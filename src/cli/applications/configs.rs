//! Owns what the settings give to each application, and the bounds that follow.
//!
//! Never: repeats a default of an application.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use firstbyte::app::accounts::AccountsConfig;
use firstbyte::app::accounts::throttle::ThrottleConfig;
use firstbyte::app::canvas::CanvasConfig;
use firstbyte::app::chain::ChainConfig;
use firstbyte::app::identity::keyring::KeysConfig;
use firstbyte::app::identity::{self, IdentityConfig};
use firstbyte::app::inventory::InventoryConfig;
use firstbyte::app::jobs::JobsConfig;
use firstbyte::app::limits::Shown;
use firstbyte::app::queue::{QueueConfig, WorkersConfig};
use firstbyte::app::services::ServicesConfig;
use firstbyte::app::session::SessionConfig;
use firstbyte::app::webhooks::WebhooksConfig;
use firstbyte::app::{health, inspect, lab, metrics};
use firstbyte::db::{self, PostgresConfig};
use firstbyte::http::bounds::InForce;
use firstbyte::jwt::{Algorithm, SigningKey};

use super::Failure;
use crate::cli::settings::Settings;
use crate::cli::value::PublicUrl;

pub(super) fn session(settings: &Settings) -> SessionConfig {
    SessionConfig { trusted_proxies: settings.trusted_proxy.clone(), ..SessionConfig::default() }
}

pub(super) fn inventory(settings: &Settings) -> InventoryConfig {
    InventoryConfig { trusted_proxies: settings.trusted_proxy.clone(), ..InventoryConfig::default() }
}

pub(super) fn jobs(settings: &Settings) -> JobsConfig {
    JobsConfig {
        allow_remote: settings.jobs_remote,
        is_in_memory: settings.database_url.is_none(),
        trusted_proxies: settings.trusted_proxy.clone(),
        ..JobsConfig::default()
    }
}

pub(super) fn workers(settings: &Settings) -> WorkersConfig {
    WorkersConfig { concurrency: settings.job_workers, drain: settings.deadlines.drain, ..WorkersConfig::default() }
}

pub(super) fn webhooks(settings: &Settings) -> WebhooksConfig {
    WebhooksConfig { allow_private: settings.webhooks_allow_private, ..WebhooksConfig::default() }
}

pub(super) fn identity(settings: &Settings, address: SocketAddr) -> Result<IdentityConfig, Failure> {
    let origin = settings.public_url.as_ref().map_or_else(|| origin_of(address), PublicUrl::to_string);
    let keys = KeysConfig {
        algorithm: settings.signing_algorithm,
        rsa_pem: settings.signing_rsa_key.as_ref().map(rsa_pem).transpose()?,
        ..KeysConfig::default()
    };
    Ok(IdentityConfig { issuer: format!("{origin}{}", identity::PREFIX), keys, ..IdentityConfig::default() })
}

/// The PEM in a file, after a look whether it can sign.
fn rsa_pem(path: &PathBuf) -> Result<String, Failure> {
    let pem = fs::read_to_string(path).map_err(|error| Failure::File(path.clone(), error))?;
    SigningKey::from_pem(Algorithm::RS256, &pem).map_err(|error| Failure::Key(path.clone(), error))?;
    Ok(pem)
}

/// Where this machine finds a server that listens at `address`, which may be all addresses.
fn origin_of(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

pub(super) fn chain(settings: &Settings) -> ChainConfig {
    ChainConfig { trusted_proxies: settings.trusted_proxy.clone(), ..ChainConfig::default() }
}

/// The bounds of what is served by these settings: the server's, and those of each application.
pub fn shown(settings: &Settings) -> Shown {
    let in_force = InForce {
        limits: settings.limits.clone(),
        deadlines: settings.deadlines.clone(),
        listener: settings.listener.clone(),
        listeners: settings.listen.len(),
        workers: settings.workers,
    };
    let (chain, canvas) = (chain(settings), CanvasConfig::default());
    let (session, identity, services) = (session(settings), IdentityConfig::default(), ServicesConfig::default());
    let (inventory, jobs, webhooks) = (inventory(settings), jobs(settings), webhooks(settings));
    let (queue, workers) = (QueueConfig::default(), workers(settings));
    let (accounts, throttle) = (AccountsConfig::default(), ThrottleConfig::default());
    let is_in_memory = settings.database_url.is_none();
    Shown::new(&in_force)
        .with(health::bounds(), [])
        .with(db::bounds(), [])
        .with(PostgresConfig::default().bounds(), PostgresConfig::default().kept())
        .with(inspect::bounds(), inspect::kept(settings.trace))
        .with(metrics::bounds(), metrics::kept())
        .with(chain.bounds(), chain.kept())
        .with(session.bounds(), session.kept())
        .with(accounts.bounds(&throttle), accounts.kept(&throttle))
        .with(identity.bounds(), identity.kept(is_in_memory))
        .with(services.bounds(), services.kept())
        .with(inventory.bounds(), if is_in_memory { inventory.kept() } else { Vec::new() })
        .with(jobs.bounds(), jobs.kept())
        .with(queue.bounds(), queue.kept(is_in_memory))
        .with(workers.bounds(), [])
        .with(webhooks.bounds(), webhooks.kept(is_in_memory))
        .with(canvas.bounds(), canvas.kept(settings.fanout.is_some(), settings.canvas_store.is_some()))
        .with(lab::bounds(), lab::kept())
}
