use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};

use super::*;

fn parse(text: &str) -> Result<Config, Mistakes> {
    Config::parse("config.yaml".as_ref(), text)
}

/// A directory with one file of each kind, and the names that the tests use.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    };
    let ((first, first_key), (_, second_key)) = (certificate("first"), certificate("second"));
    for (name, text) in [
        ("token", "sesame\n"),
        ("password", " hush hush\n"),
        ("lines", "two\nlines"),
        ("empty", "\n"),
        ("ca.pem", &first),
        ("client.pem", &first),
        ("client.key", &first_key),
        ("other.key", &second_key),
    ] {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    directory
}

fn load(directory: &Path, text: &str) -> Result<Config, Mistakes> {
    let file = directory.join("config.yaml");
    std::fs::write(&file, text).expect("written");
    Config::load(&file)
}

#[test]
fn a_source_has_a_name_a_timeout_and_an_address_without_a_slash_at_its_end() {
    let text = "sources:\n- url: http://prometheus:9090/\n- {name: long, url: 'https://thanos/prefix/', timeout: 20s, namespaces: [shop, web]}\n";
    let long = SourceConfig {
        timeout: Duration::from_secs(20),
        namespaces: Some(["shop", "web"].map(str::to_owned).into()),
        ..SourceConfig::new("long", "https://thanos/prefix")
    };
    assert_eq!(DEFAULT_TIMEOUT, Duration::from_secs(5));
    assert!(long.allows("shop") && !long.allows("bank"));
    let default = SourceConfig::new("default", "http://prometheus:9090");
    assert!(default.allows("bank"));
    assert_eq!(parse(text).expect("a configuration").sources, [default, long]);
    for nothing in ["", "{}", "sources:", "sources: []"] {
        assert_eq!(parse(nothing).expect("an empty configuration"), Config::default(), "{nothing}");
    }
}

#[test]
fn credentials_come_from_files_beside_the_configuration_and_are_not_printed() {
    let directory = directory();
    let config = load(
        directory.path(),
        "
sources:
- {name: a, url: https://a, bearerTokenFile: token, caFile: ca.pem, clientCertificateFile: client.pem, clientKeyFile: client.key}
- name: b
  url: http://b
  basicAuth: {username: me, passwordFile: password}
  headers:
  - {name: X-Scope-OrgID, value: team}
  - {name: X-Key, valueFile: token}
",
    )
    .expect("a configuration");
    let [a, b] = config.sources.as_slice() else { panic!("two sources") };
    assert_eq!(a.headers["authorization"], "Bearer sesame");
    assert!(a.authorities.is_some() && a.identity.is_some());
    // `me:hush hush`, which RFC 7617 wants in base64.
    assert_eq!(b.headers["authorization"], "Basic bWU6aHVzaCBodXNo");
    assert_eq!(
        (&b.headers["x-scope-orgid"], &b.headers["x-key"]),
        (&"team".parse().expect("a value"), &"sesame".parse().expect("a value"))
    );
    let printed = format!("{config:?}");
    for secret in ["sesame", "hush", "bWU6aHVzaCBodXNo", "PRIVATE"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// A source, where its mistake is, and words that tell what would be right.
const REFUSED: &[(&str, &str, &str)] = &[
    ("url: 'http://a', caFiles: x", "sources[0].caFiles", "did you mean caFile?"),
    ("name: a", "sources[0].url", "needed"),
    ("url: 'a hush'", "sources[0].url", "must be a URL"),
    ("url: 5, name: a", "sources[0].url", "must be a text, not a number"),
    ("url: 'ftp://a'", "sources[0].url", "http://"),
    ("url: 'http://me:hush@a'", "sources[0].url", "use basicAuth"),
    ("url: 'http://a?token=hush'", "sources[0].url", "bearerTokenFile"),
    ("url: 'http://a', timeout: 5", "sources[0].timeout", "must be a duration"),
    ("url: 'http://a', timeout: soon", "sources[0].timeout", "such as 5s"),
    ("url: 'http://a', timeout: 2m", "sources[0].timeout", "at most 1m"),
    ("url: 'http://a', name: ''", "sources[0].name", "must not be empty"),
    ("url: 'http://a', namespaces: []", "sources[0].namespaces", "leave it out to allow all"),
    ("url: 'http://a', namespaces: [Shop]", "sources[0].namespaces[0]", "lower-case"),
    ("url: 'http://a', bearerToken: hush", "sources[0].bearerToken", "did you mean bearerTokenFile?"),
    ("url: 'http://a', bearerTokenFile: none", "sources[0].bearerTokenFile", "No such file"),
    ("url: 'http://a', bearerTokenFile: .", "sources[0].bearerTokenFile", "must be a file"),
    ("url: 'http://a', bearerTokenFile: empty", "sources[0].bearerTokenFile", "is empty"),
    ("url: 'http://a', bearerTokenFile: lines", "sources[0].bearerTokenFile", "one token"),
    (
        "url: 'http://a', bearerTokenFile: token, basicAuth: {username: me, passwordFile: password}",
        "sources[0].basicAuth",
        "must not be beside bearerTokenFile",
    ),
    ("url: 'http://a', basicAuth: 'me:hush'", "sources[0].basicAuth", "not a text"),
    ("url: 'http://a', basicAuth: {username: me}", "sources[0].basicAuth.passwordFile", "needed"),
    (
        "url: 'http://a', basicAuth: {username: 'me:', passwordFile: password}",
        "sources[0].basicAuth.username",
        "colon",
    ),
    (
        "url: 'http://a', basicAuth: {username: me, password: hush}",
        "sources[0].basicAuth.password",
        "did you mean passwordFile?",
    ),
    ("url: 'http://a', headers: [{name: X}]", "sources[0].headers[0]", "exactly one of value and valueFile"),
    (
        "url: 'http://a', headers: [{name: X, value: 'hush', valueFile: token}]",
        "sources[0].headers[0]",
        "exactly one of value and valueFile",
    ),
    ("url: 'http://a', headers: [{name: 'X Y', value: x}]", "sources[0].headers[0].name", "name of a header"),
    (
        "url: 'http://a', headers: [{name: AUTHORIZATION, value: hush}]",
        "sources[0].headers[0].name",
        "use bearerTokenFile",
    ),
    (
        "url: 'http://a', headers: [{name: Host, value: x}]",
        "sources[0].headers[0].name",
        "the connection's own",
    ),
    (
        "url: 'http://a', headers: [{name: X, value: x}, {name: x, value: y}]",
        "sources[0].headers[1].name",
        "twice",
    ),
    (
        "url: 'http://a', headers: [{name: X, valueFile: lines}]",
        "sources[0].headers[0].valueFile",
        "on one line",
    ),
    ("url: 'http://a', caFile: ca.pem", "sources[0].caFile", "for https:// only"),
    ("url: 'https://a', caFile: token", "sources[0].caFile", "certificates in PEM"),
    ("url: 'https://a', caFile: client.key", "sources[0].caFile", "certificates in PEM"),
    ("url: 'https://a', clientKeyFile: client.key", "sources[0].clientCertificateFile", "needed beside"),
    ("url: 'https://a', clientCertificateFile: client.pem", "sources[0].clientKeyFile", "needed beside"),
    (
        "url: 'https://a', clientCertificateFile: token, clientKeyFile: client.key",
        "sources[0].clientCertificateFile",
        "a certificate in PEM",
    ),
    (
        "url: 'https://a', clientCertificateFile: client.pem, clientKeyFile: token",
        "sources[0].clientKeyFile",
        "a private key in PEM",
    ),
    (
        "url: 'https://a', clientCertificateFile: client.pem, clientKeyFile: other.key",
        "sources[0].clientKeyFile",
        "must be the key of the certificate",
    ),
];

#[test]
fn what_can_not_be_is_refused_with_its_place_and_without_its_value() {
    let directory = directory();
    for (source, path, part) in REFUSED {
        let Mistakes(mistakes) =
            load(directory.path(), &format!("sources: [{{{source}}}]")).expect_err(source);
        let text = Mistakes(mistakes.clone()).to_string();
        assert_eq!(mistakes[0].path, *path, "{source}: {text}");
        assert!(mistakes[0].problem.contains(part), "{source}: {text}");
        assert!(mistakes[0].place.is_some() && text.contains("config.yaml:1:"), "{text}");
        for secret in ["hush", "sesame"] {
            assert!(!text.contains(secret), "{source}: {text}");
        }
    }
}

#[test]
fn all_mistakes_are_found_in_one_run() {
    let text = "
source: []
sources:
- {url: 'http://a', timeout: 2m, token: x}
- {name: b, url: 'ftp://b', bearerTokenFile: none}
- {name: b, url: 'http://b'}
";
    let Mistakes(mistakes) = parse(text).expect_err("mistakes");
    let found: Vec<_> =
        mistakes.iter().map(|mistake| (mistake.place.expect("a place").0, mistake.path.as_str())).collect();
    assert_eq!(
        found,
        [
            (2, "source"),
            (4, "sources[0].timeout"),
            (4, "sources[0].token"),
            (5, "sources[1].url"),
            (5, "sources[1].bearerTokenFile"),
            (6, "sources[2].name"),
        ]
    );
}

#[test]
fn what_is_no_document_is_refused() {
    for (text, part) in [
        ("sources: [", "config.yaml:1:"),
        ("{}\n---\nsources: []", "one YAML document"),
        ("[]", "group of fields"),
    ] {
        let mistakes = parse(text).expect_err(text).to_string();
        assert!(mistakes.contains(part), "{text}: {mistakes}");
    }
    let missing = Config::load(&PathBuf::from("/nowhere/config.yaml")).expect_err("no file").to_string();
    assert_eq!(missing, "/nowhere/config.yaml: can't be read: No such file or directory (os error 2)");
}

#[test]
fn the_example_in_deploy_is_valid() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base/config.yaml");
    assert_eq!(Config::load(&file).expect("valid").sources.len(), 1);
}

#[test]
fn a_swap_of_the_directory_behind_a_mounted_volume_is_seen() {
    let root = tempfile::tempdir().expect("a directory");
    for (version, token) in [("..1", "old"), ("..2", "new")] {
        std::fs::create_dir(root.path().join(version)).expect("created");
        std::fs::write(root.path().join(version).join("token"), token).expect("written");
    }
    let link = |version: &str| {
        let fresh = root.path().join("..data_tmp");
        std::os::unix::fs::symlink(version, &fresh).expect("linked");
        std::fs::rename(fresh, root.path().join("..data")).expect("renamed");
    };
    link("..1");
    std::os::unix::fs::symlink("..data/token", root.path().join("token")).expect("linked");
    let files = Files::default();
    assert_eq!(files.text(&root.path().join("token")).as_deref(), Ok("old"));
    assert!(files.are_current());
    link("..2");
    assert!(!files.are_current());
    std::fs::remove_file(root.path().join("token")).expect("removed");
    assert!(!files.are_current(), "gone is a change too");
}
