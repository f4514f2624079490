//! The demo: a national PKI in a folder, with everything that people will want to try.
//!
//! [`Plan`] says who is in it and [`Blueprint::build`] makes it: keys, certificates, an ordinary ledger
//! and an ordinary `estelam.toml`. [`look`] tells what is in a folder; [`Building`] makes a demo appear
//! there whole or not at all. [`Description`] is `demo.json`, which lies there once the port answers.
//!
//! Everything in it is invented, its private keys lie open beside their certificates, and its names
//! say that it is a demo: nobody should trust its root.

mod build;
mod configuration;
mod description;
mod error;
mod files;
mod folder;
mod issuer;
mod places;
mod plan;
mod record;
mod request;
mod subjects;

pub use build::Blueprint;
pub use description::{
    CertificateDescription, CrlDescription, Description, ExpectedStatus, IssuerDescription, Record,
};
pub use error::DemoError;
pub use folder::{Building, FolderError, Found, look};
pub use plan::{Body, BulkPlan, IntermediatePlan, Kind, NamedPlan, Plan, Standing};
pub use record::{DESCRIPTION, publish, read_record, refresh, withdraw};
pub use request::get_url;
