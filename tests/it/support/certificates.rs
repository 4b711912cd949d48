//! Certificates for servers and clients, made anew for each test.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs certificates and keeps all of its files in a directory.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Authority {
    /// Its own certificate is `NAME.pem`.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let directory = directory.to_owned();
        std::fs::write(directory.join(format!("{name}.pem")), issuer.pem()).expect("written");
        Self { issuer, directory }
    }

    /// A certificate `NAME.pem` with its key `NAME.key` for a server at an address, or for a client.
    pub(crate) fn sign(&self, name: &str, address: &str) {
        self.sign_with(name, address, |_| {});
    }

    /// As [`Authority::sign`], but it has expired long ago.
    pub(crate) fn sign_expired(&self, name: &str, address: &str) {
        self.sign_with(name, address, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        });
    }

    fn sign_with(&self, name: &str, address: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new([address.to_owned()]).expect("a name");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(self.directory.join(format!("{name}.pem")), certificate.pem()).expect("written");
        std::fs::write(self.directory.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    }
}
