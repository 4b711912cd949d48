//! What goes wrong between the operator and a source: each row a query, what the decision is told, and a
//! piece of what a person is told.

mod scripted;

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use tidetable::decision::{Milli, MissingCause, QueryRef};
use tidetable::operator::Sources;
use tidetable::operator::config::Config;

use self::scripted::Scripted;
use crate::support::certificates::Authority;
use crate::support::prometheus::Prometheus;

/// One sample, and two of one name, all at this second.
const SAMPLED: i64 = 1_795_435_200;

const SAMPLES: &str = "\
# TYPE one gauge
one 5 1795435200
# TYPE many gauge
many{a=\"1\"} 1 1795435200
many{a=\"2\"} 2 1795435200
# EOF
";

/// A number in thousandths, or a cause with a piece of the message.
type Expected = Result<i64, (MissingCause, &'static str)>;

/// The sources of a configuration whose files are in a directory.
fn sources(directory: &Path, config: &str) -> Sources {
    let config = Config::parse(&directory.join("config.yaml"), config).expect("a configuration");
    Sources::new(&config.sources).expect("sources")
}

async fn compare(sources: &Sources, source: &str, query: &str, after: i64, expected: &Expected) {
    let at = Timestamp::from_second(SAMPLED + after).expect("in range");
    let query_ref = QueryRef { source: source.into(), expression: query.into(), freshness: None };
    let got = sources.read("default", &query_ref, at).await.map(Milli::get);
    let row = format!("{source}: {query}");
    match (got, expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value, *expected, "{row}"),
        (Err(problem), Err((cause, part))) => {
            assert_eq!(problem.cause, *cause, "{row}: {problem}");
            assert!(problem.message.contains(part), "{row}: {problem}");
            for hidden in ["127.0.0.1", "localhost", "http://", "https://"] {
                assert!(!problem.message.contains(hidden), "{row}: {problem}");
            }
        }
        (got, expected) => panic!("{row}: {got:?} and not {expected:?}"),
    }
}

#[tokio::test]
async fn what_a_real_server_answers() {
    use MissingCause::{Invalid, NoSample, QueryFailed, SeveralSamples};
    let server = Prometheus::with_samples(SAMPLES);
    let directory = tempfile::tempdir().expect("a directory");
    let sources = sources(directory.path(), &format!("sources: [{{url: '{}'}}]", server.url()));
    let rows: [(&str, i64, Expected); 17] = [
        ("one", 5, Ok(5000)),
        ("one * 0", 5, Ok(0)),
        ("scalar(one)", 5, Ok(5000)),
        ("sum(many)", 5, Ok(3000)),
        ("one", 299, Ok(5000)),
        ("one", 301, Err((NoSample, "the query has no result"))),
        ("one", -1, Err((NoSample, "the query has no result"))),
        ("absent_metric", 5, Err((NoSample, "the query has no result"))),
        ("many", 5, Err((SeveralSamples, "2 results where one is needed: try sum("))),
        ("one / 0", 5, Err((Invalid, "not finite: +Inf"))),
        ("-one / 0", 5, Err((Invalid, "not finite: -Inf"))),
        ("0 * one / 0", 5, Err((Invalid, "not finite: NaN"))),
        ("-one", 5, Err((Invalid, "negative: -5"))),
        ("\"text\"", 5, Err((Invalid, "the result is a string"))),
        ("one[5m]", 5, Err((Invalid, "the result is a matrix"))),
        ("sum(", 5, Err((QueryFailed, "bad_data"))),
        ("one + on(x) group_left many", 5, Err((QueryFailed, "refused the query"))),
    ];
    for (query, after, expected) in rows {
        compare(&sources, "default", query, after, &expected).await;
    }
}

/// The password `test`, as servers store it.
const HASHED: &str = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay";

#[tokio::test]
async fn what_a_real_server_says_to_credentials_and_certificates() {
    use MissingCause::{QueryFailed, Unreachable};
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).expect("written");
        file
    };
    let ours = Authority::new(directory.path(), "ours");
    let other = Authority::new(directory.path(), "other");
    ours.sign("server", "127.0.0.1");
    ours.sign("elsewhere", "prometheus.example");
    ours.sign_expired("expired", "127.0.0.1");
    ours.sign("client", "operator");
    other.sign("stranger", "operator");
    write("right", "test\n");
    write("wrong", "guess\n");
    let start = |name: &str, certificate: &str, more: &str| {
        let text = format!(
            "tls_server_config:\n  cert_file: {certificate}.pem\n  key_file: {certificate}.key\n{more}"
        );
        Prometheus::with_web_config(SAMPLES, &write(name, &text))
    };
    let basic = start("basic.yml", "server", &format!("basic_auth_users: {{me: '{HASHED}'}}\n"));
    let mutual = start(
        "mutual.yml",
        "server",
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ours.pem\n",
    );
    let elsewhere = start("elsewhere.yml", "elsewhere", "");
    let expired = start("expired.yml", "expired", "");
    let plain = basic.url().replace("https", "http");
    let (basic, mutual, elsewhere, expired) = (basic.url(), mutual.url(), elsewhere.url(), expired.url());
    let config = format!(
        "
sources:
- {{name: basic, url: '{basic}', caFile: ours.pem, basicAuth: {{username: me, passwordFile: right}}}}
- {{name: wrong password, url: '{basic}', caFile: ours.pem, basicAuth: {{username: me, passwordFile: wrong}}}}
- {{name: wrong user, url: '{basic}', caFile: ours.pem, basicAuth: {{username: you, passwordFile: right}}}}
- {{name: no password, url: '{basic}', caFile: ours.pem}}
- {{name: bearer, url: '{basic}', caFile: ours.pem, bearerTokenFile: right}}
- {{name: wrong authority, url: '{basic}', caFile: other.pem}}
- {{name: no TLS, url: '{plain}'}}
- {{name: mutual, url: '{mutual}', caFile: ours.pem, clientCertificateFile: client.pem, clientKeyFile: client.key}}
- {{name: no client certificate, url: '{mutual}', caFile: ours.pem}}
- {{name: stranger, url: '{mutual}', caFile: ours.pem, clientCertificateFile: stranger.pem, clientKeyFile: stranger.key}}
- {{name: elsewhere, url: '{elsewhere}', caFile: ours.pem}}
- {{name: expired, url: '{expired}', caFile: ours.pem}}
"
    );
    let sources = sources(directory.path(), &config);
    let denied = "does not accept the credentials: HTTP status 401";
    let rows: [(&str, Expected); 12] = [
        ("basic", Ok(5000)),
        ("wrong password", Err((QueryFailed, denied))),
        ("wrong user", Err((QueryFailed, denied))),
        ("no password", Err((QueryFailed, denied))),
        ("bearer", Err((QueryFailed, denied))),
        ("wrong authority", Err((Unreachable, "of an authority that is not trusted: see caFile"))),
        ("no TLS", Err((QueryFailed, "HTTP status 400 and not as Prometheus does"))),
        ("mutual", Ok(5000)),
        ("no client certificate", Err((Unreachable, "refuses the client's certificate, or wants one"))),
        ("stranger", Err((Unreachable, "refuses the client's certificate, or wants one"))),
        ("elsewhere", Err((Unreachable, "is for another name than the one in url"))),
        ("expired", Err((Unreachable, "certificate has expired"))),
    ];
    for (source, expected) in rows {
        compare(&sources, source, "one", 5, &expected).await;
    }
}

#[tokio::test]
async fn what_is_no_prometheus_or_hardly_one() {
    use MissingCause::{QueryFailed, SeveralSamples, Unreachable};
    let server = Scripted::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let url = server.url();
    // Nobody may listen on such a port, and nobody does.
    let refused = "http://127.0.0.1:1";
    // No part of a host name has over 63 characters, so that nobody needs to be asked.
    let nameless = format!("http://{}.example", "a".repeat(64));
    let mut config =
        format!("sources:\n- {{name: refused, url: '{refused}'}}\n- {{name: nameless, url: '{nameless}'}}\n");
    let rows: [(&str, Expected); 18] = [
        ("refused", Err((Unreachable, "connection refused"))),
        ("nameless", Err((Unreachable, "host name can't be resolved"))),
        ("good", Ok(7000)),
        ("plain-text", Ok(7000)),
        ("silent", Err((Unreachable, "did not answer within 500ms"))),
        ("drip", Err((Unreachable, "did not answer within 500ms"))),
        ("cut", Err((Unreachable, "the connection to the source broke"))),
        ("huge", Err((SeveralSamples, "larger than 1 MiB"))),
        ("redirect", Err((QueryFailed, "redirects to elsewhere, which is refused: HTTP status 302"))),
        ("truncated", Err((QueryFailed, "HTTP status 200 and not as Prometheus does"))),
        ("html", Err((QueryFailed, "HTTP status 200 and not as Prometheus does"))),
        ("empty", Err((QueryFailed, "HTTP status 200 and not as Prometheus does"))),
        ("unavailable", Err((QueryFailed, "HTTP status 503 and not as Prometheus does"))),
        ("timeout", Err((QueryFailed, "timeout: query timed out"))),
        ("success-with-503", Err((QueryFailed, "refused the query"))),
        ("no-data", Err((QueryFailed, "success and without data"))),
        ("no-value", Err((QueryFailed, "a sample that has no value"))),
        ("forbidden", Err((QueryFailed, "HTTP status 403"))),
    ];
    for (name, _) in rows.iter().skip(2) {
        let timeout = if ["silent", "drip"].contains(name) { "500ms" } else { "60s" };
        writeln!(config, "- {{name: {name}, url: '{url}/{name}', timeout: {timeout}}}").expect("a string");
    }
    let sources = sources(directory.path(), &config);
    for (source, expected) in &rows {
        compare(&sources, source, "one", 5, expected).await;
    }
    assert_eq!(server.strayed(), 0, "nobody follows a redirect");
}
