//! Connections to sources: how they are set up, and in words why they failed.
//!
//! The words are our own. Those of the libraries name hosts and addresses.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::super::config::SourceConfig;
use super::install_crypto_provider;

/// An HTTP client for a source; none when its certificates can't be used.
pub(in crate::operator) fn client(config: &SourceConfig) -> Option<reqwest::Client> {
    install_crypto_provider();
    let mut builder = reqwest::Client::builder()
        .default_headers(config.headers.clone())
        // A redirect would carry the query, and perhaps the token, to an address of another's choice.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(authorities) = &config.authorities {
        let certificates = reqwest::Certificate::from_pem_bundle(authorities.reveal().as_bytes()).ok()?;
        if certificates.is_empty() {
            return None;
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(identity) = &config.identity {
        builder = builder.identity(reqwest::Identity::from_pem(identity.reveal().as_bytes()).ok()?);
    }
    builder.build().ok()
}

/// Why a request came to nothing.
pub(super) fn describe(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<TlsError>() {
            return tls(error);
        }
        // The client has no public type for it.
        if error.to_string() == "dns error" {
            return "the source's host name can't be resolved";
        }
        cause = match error.downcast_ref::<io::Error>() {
            // Its `source` is that of what it wraps, and so leaves that out.
            Some(error) => match (error.get_ref(), broken(error.kind())) {
                (Some(inner), _) => Some(inner),
                (None, Some(words)) => return words,
                (None, None) => None,
            },
            None => error.source(),
        };
    }
    if error.is_connect() { "the source can't be connected to" } else { "the connection to the source broke" }
}

fn broken(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some("the source can't be connected to: connection refused"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some("the source can't be connected to: no route to it")
        }
        _ => None,
    }
}

/// What failed in TLS. The library's own words hold the name that was expected.
fn tls(error: &TlsError) -> &'static str {
    match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the source's certificate is of an authority that is not trusted: see caFile"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the source's certificate is for another name than the one in url",
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the source's certificate has expired"
        }
        TlsError::InvalidCertificate(_) => "the source's certificate is not valid",
        TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied,
        ) => "the source refuses the client's certificate, or wants one: see clientCertificateFile",
        _ => "no TLS connection to the source could be made",
    }
}
