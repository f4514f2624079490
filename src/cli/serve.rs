//! `estelam serve`.

use super::connection::load_config;
use super::service::{self, Service, Then};
use super::{Common, Exit, Failure};

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = load_config(common)?;
    service::start_log("info");
    let service = Service::new(config, &common.config)?;
    let server = service::bind(service.config())?;
    service.run(server, |_| Ok(Then::ServeOn))
}
