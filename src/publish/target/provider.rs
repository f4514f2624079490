//! Stores as their providers want to be asked.

use std::sync::Arc;

use object_store::{
    Error, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
};

use super::{TargetError, connector::Connector};
use crate::{config::StoreTarget, signer::Passphrase};

/// Opens the store of a target of this kind; its secret is read now.
pub(super) fn open(
    kind: &str,
    settings: &StoreTarget,
) -> Result<Arc<dyn ObjectStore>, TargetError> {
    let wrong = |why: &dyn std::fmt::Display| {
        TargetError::Settings(format!("the target {:?}: {why}", settings.name))
    };
    let secret = settings.secret().map(|source| Passphrase::read(&source));
    let secret = secret.transpose().map_err(|error| wrong(&error))?;
    let secret = secret.map(|secret| String::from_utf8(secret.octets().to_vec()));
    let secret = secret
        .transpose()
        .map_err(|_| wrong(&"the secret is not UTF-8"))?;
    let endpoint = settings.endpoint.as_deref();
    let is_http = endpoint.is_some_and(|url| url.starts_with("http://"));
    let connector = Connector::new(&settings.tls_roots, !is_http);
    let connector = connector.map_err(|error| wrong(&error))?;
    // The courier tries again, later and later; this is for a connection that breaks.
    let retry = RetryConfig {
        max_retries: 1,
        retry_timeout: settings.timeout,
        ..RetryConfig::default()
    };
    let bucket = settings.bucket.as_str();
    let built: Result<Arc<dyn ObjectStore>, Error> = match kind {
        "gcs" => {
            let builder = GoogleCloudStorageBuilder::new()
                .with_bucket_name(bucket)
                .with_retry(retry)
                .with_http_connector(connector);
            let builder = match endpoint {
                Some(url) => builder.with_base_url(url),
                None => builder,
            };
            let builder = match secret {
                Some(json) => builder.with_service_account_key(json),
                None => builder,
            };
            builder.build().map(shared)
        }
        "azure" => {
            let builder = MicrosoftAzureBuilder::new()
                .with_container_name(bucket)
                .with_account(settings.account.clone().unwrap_or_default())
                .with_access_key(secret.unwrap_or_default())
                .with_allow_http(is_http)
                .with_retry(retry)
                .with_http_connector(connector);
            let builder = match endpoint {
                Some(url) => builder.with_endpoint(url.to_owned()),
                None => builder,
            };
            builder.build().map(shared)
        }
        _ => {
            let region = settings.region.as_deref().unwrap_or("us-east-1");
            let builder = AmazonS3Builder::new()
                .with_bucket_name(bucket)
                .with_region(region)
                .with_virtual_hosted_style_request(settings.virtual_host)
                .with_allow_http(is_http)
                // One object is deleted, and not every store knows how to delete several.
                .with_disable_bulk_delete(true)
                .with_retry(retry)
                .with_http_connector(connector);
            let builder = match endpoint {
                Some(url) if settings.virtual_host => {
                    builder.with_endpoint(url.replacen("://", &format!("://{bucket}."), 1))
                }
                Some(url) => builder.with_endpoint(url),
                None => builder,
            };
            let builder = match (&settings.access_key_id, secret) {
                (Some(id), Some(secret)) => builder
                    .with_access_key_id(id)
                    .with_secret_access_key(secret),
                _ => builder,
            };
            builder.build().map(shared)
        }
    };
    built.map_err(|error| wrong(&one_line(&error)))
}

fn shared(store: impl ObjectStore) -> Arc<dyn ObjectStore> {
    Arc::new(store)
}

/// What a store says, which may be a page of XML. Secrets are in headers alone, and those are not in it.
pub(super) fn one_line(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SAID_MAX).collect()
}

const SAID_MAX: usize = 400;
