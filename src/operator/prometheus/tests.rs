//! The client against a server of the test's own, which answers each query with what its name promises.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;

use jiff::SignedDuration;

use super::*;
use crate::decision::Freshness;

const AT: &str = "2026-11-23T07:00:00Z";

async fn answer(Query(query): Query<BTreeMap<String, String>>, headers: HeaderMap) -> (StatusCode, String) {
    let vector = |samples: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{samples}]}}}}"#)
    };
    let sample = |value: &str| vector(&format!(r#"{{"metric":{{}},"value":[1,"{value}"]}}"#));
    let query_text = query.get("query").map(String::as_str).unwrap_or_default();
    let body = match query_text {
        "one" => sample("12.3456"),
        "scalar" => r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#.to_owned(),
        "string" => r#"{"status":"success","data":{"resultType":"string","result":[1,"7"]}}"#.to_owned(),
        "matrix" => r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#.to_owned(),
        "histogram" => vector(r#"{"metric":{},"histogram":[1,{"count":"1","sum":"2","buckets":[]}]}"#),
        "none" => vector(""),
        "three" => vector(&[r#"{"metric":{},"value":[1,"1"]}"#; 3].join(",")),
        "info" => r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]},"warnings":["PromQL info: not a counter"]}"#.to_owned(),
        "warning" => r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]},"warnings":["PromQL info: x","a store is away"]}"#.to_owned(),
        "time" => sample(query.get("time").map(String::as_str).unwrap_or_default()),
        "token" => sample(match headers.get("authorization").and_then(|value| value.to_str().ok()) {
            Some("Bearer sesame") => "1",
            _ => "0",
        }),
        "bad" => {
            let body = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
            return (StatusCode::BAD_REQUEST, body.to_owned());
        }
        "gateway" => return (StatusCode::BAD_GATEWAY, "<html>oh</html>".to_owned()),
        "huge" => vector(&vec![r#"{"metric":{},"value":[1,"1"]}"#; 60_000].join(",")),
        // After its first instant it is as fast as any.
        "slow once" if query.get("time").is_some_and(|time| time != "1000000005.000") => sample("7"),
        text if text.starts_with("slow") => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            String::new()
        }
        value => sample(value),
    };
    (StatusCode::OK, body)
}

async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route("/prefix/api/v1/query", get(answer)).route(
        "/api/v1/query",
        get(|RawQuery(_): RawQuery| async { axum::response::Redirect::to("/prefix") }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn source(name: &str, url: String) -> SourceConfig {
    SourceConfig { timeout: Duration::from_millis(300), ..SourceConfig::new(name, url) }
}

fn query(source: &str, expression: &str) -> QueryRef {
    QueryRef { source: source.into(), expression: expression.into(), freshness: None }
}

async fn read(sources: &Sources, source: &str, expression: &str) -> Result<Milli, Problem> {
    sources.read("default", &query(source, expression), AT.parse().expect("a timestamp")).await
}

#[tokio::test]
async fn one_finite_number_is_an_answer_and_everything_else_is_missing() {
    let url = format!("{}/prefix", serve().await);
    let sources = Sources::new(&[source("default", url.clone())]).expect("sources");
    for (expression, milli) in
        [("one", 12_346), ("scalar", 7_000), ("info", 7_000), ("0", 0), ("1e3", 1_000_000)]
    {
        assert_eq!(read(&sources, "default", expression).await, Ok(Milli::new(milli)), "{expression}");
    }
    for (expression, cause, part) in [
        ("none", MissingCause::NoSample, "no result"),
        ("three", MissingCause::SeveralSamples, "3 results where one is needed: try sum("),
        ("huge", MissingCause::SeveralSamples, "1 MiB"),
        ("NaN", MissingCause::Invalid, "not finite"),
        ("+Inf", MissingCause::Invalid, "not finite"),
        ("-Inf", MissingCause::Invalid, "not finite"),
        ("-1", MissingCause::Invalid, "negative"),
        ("string", MissingCause::Invalid, "string"),
        ("matrix", MissingCause::Invalid, "matrix"),
        ("histogram", MissingCause::Invalid, "histogram"),
        ("warning", MissingCause::QueryFailed, "a store is away"),
        ("bad", MissingCause::QueryFailed, "parse error"),
        ("gateway", MissingCause::QueryFailed, "502"),
        ("slow", MissingCause::Unreachable, "within 300ms"),
    ] {
        let problem = read(&sources, "default", expression).await.expect_err(expression);
        assert_eq!(problem.cause, cause, "{expression}: {problem}");
        assert!(problem.message.contains(part), "{expression}: {problem}");
        assert!(!problem.message.contains("127.0.0.1"), "{expression}: {problem}");
    }
}

#[tokio::test]
async fn queries_that_take_too_long_make_no_other_late_a_second_time() {
    let sources = Sources::new(&[source("default", format!("{}/prefix", serve().await))]).expect("sources");
    // Twice as many and some as are asked at a time, and all of them go first.
    let slow = (0..40).map(|i| format!("slow-{i}")).collect::<Vec<_>>();
    for (at, is_answered) in
        [("07:00:00", false), ("07:00:15", false), ("07:00:30", true), ("07:00:45", true)]
    {
        let at: Timestamp = format!("2026-11-23T{at}Z").parse().expect("a timestamp");
        let read = async |expression: &str| sources.read("shop", &query("default", expression), at).await;
        let slow = futures::future::join_all(slow.iter().map(|expression| read(expression)));
        let (slow, good) = futures::future::join(slow, read("one")).await;
        assert!(slow.iter().all(Result::is_err));
        assert_eq!(good.is_ok(), is_answered, "at {at}");
    }
}

#[tokio::test]
async fn of_very_many_queries_that_took_too_long_each_is_asked_now_and_then() {
    let sources = Sources::new(&[source("default", format!("{}/prefix", serve().await))]).expect("sources");
    let read = async |expression: &str, second: i64| {
        let at = Timestamp::from_second(second).expect("an instant");
        sources.read("shop", &query("default", expression), at).await
    };
    let hanging: Vec<String> = (0..12).map(|i| format!("slow-{i}")).collect();
    let all = async |second| {
        let hanging = futures::future::join_all(hanging.iter().map(|expression| read(expression, second)));
        // It was too slow once, and all of the others come before it.
        futures::future::join(hanging, read("slow once", second)).await.1
    };
    assert!(all(1_000_000_005).await.is_err());
    let mut ticks = 0;
    while all(1_000_000_020 + 15 * ticks).await.is_err() {
        ticks += 1;
        // Twelve that go first, four at a time, and its own turn.
        assert!(ticks < 8, "it is never asked");
    }
}

#[tokio::test]
async fn the_query_is_for_the_instant_of_the_tick_and_not_for_the_present() {
    let sources = Sources::new(&[source("default", format!("{}/prefix", serve().await))]).expect("sources");
    let at: Timestamp = AT.parse().expect("a timestamp");
    let expected = Milli::from_f64(1_795_417_200.0).expect("a load");
    assert_eq!(at.as_second(), 1_795_417_200);
    assert_eq!(sources.read("default", &query("default", "time"), at).await, Ok(expected));
}

#[tokio::test]
async fn a_source_that_is_away_unknown_or_elsewhere_is_a_problem_without_its_address() {
    let url = serve().await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let sources = Sources::new(&[source("moved", url), source("away", closed)]).expect("sources");
    for (name, cause, part) in [
        ("moved", MissingCause::QueryFailed, "303"),
        ("away", MissingCause::Unreachable, "can't be connected to"),
        ("other", MissingCause::QueryFailed, "no source named \"other\""),
    ] {
        let problem = read(&sources, name, "one").await.expect_err(name);
        assert_eq!(problem.cause, cause, "{problem}");
        assert!(problem.message.contains(part), "{problem}");
        assert!(!problem.message.contains("127.0.0.1"), "{problem}");
    }
}

#[tokio::test]
async fn a_sample_that_is_too_old_or_of_unknown_age_is_stale() {
    let sources = Sources::new(&[source("default", format!("{}/prefix", serve().await))]).expect("sources");
    let at: Timestamp = AT.parse().expect("an instant");
    for (newest, expected) in [
        (at.as_second().to_string(), Ok(12_346)),
        ((at.as_second() - 120).to_string(), Ok(12_346)),
        ((at.as_second() + 3600).to_string(), Ok(12_346)),
        ((at.as_second() - 121).to_string(), Err("the newest sample is 2m 1s old, and maxAge is 120s")),
        ("none".to_owned(), Err("the age of the newest sample is not known: the query has no result")),
    ] {
        let freshness = Freshness { expression: newest.as_str().into(), max_age: Duration::from_secs(120) };
        let query = QueryRef { freshness: Some(freshness), ..query("default", "one") };
        let result = sources.read("default", &query, at).await;
        let expected = expected.map_err(|message: &str| (MissingCause::Stale, message.to_owned()));
        let result = result.map(Milli::get).map_err(|problem| (problem.cause, problem.message));
        assert_eq!(result, expected, "{newest}");
    }
}

#[tokio::test]
async fn a_query_that_is_too_slow_fails_alone() {
    let sources = Sources::new(&[source("default", format!("{}/prefix", serve().await))]).expect("sources");
    let read = async |expression: &str, at: Timestamp| {
        let result = sources.read("default", &query("default", expression), at).await;
        result.map(Milli::get).map_err(|problem| problem.message)
    };
    let late = Err("the source did not answer within 300ms".to_owned());
    let first: Timestamp = AT.parse().expect("an instant");
    let next = |ticks: i64| first + SignedDuration::from_secs(15 * ticks);
    assert_eq!(tokio::join!(read("slow", first), read("one", first)), (late.clone(), Ok(12_346)));
    assert_eq!(read("0", first).await, Ok(0), "asked after the slow one has failed");
    assert_eq!(read("slow", next(1)).await, late, "nothing speaks for the source");
    assert_eq!(read("one", next(1)).await, late);
    assert_eq!(
        tokio::join!(read("slow", next(2)), read("one", next(2))),
        (late, Ok(12_346)),
        "the probe does"
    );
}

#[tokio::test]
async fn a_source_gets_sixteen_requests_at_a_time() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let (present, most, gate) = (
        Arc::<AtomicUsize>::default(),
        Arc::<AtomicUsize>::default(),
        Arc::new(tokio::sync::Semaphore::new(0)),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let handler = {
        let (present, most, gate) = (Arc::clone(&present), Arc::clone(&most), Arc::clone(&gate));
        move || async move {
            most.fetch_max(present.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _permit = gate.acquire().await.expect("never closed");
            present.fetch_sub(1, Ordering::SeqCst);
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#
        }
    };
    let router = Router::new().route("/api/v1/query", get(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sources = Sources::new(&[SourceConfig::new("default", url)]).expect("sources");
    let queries: Vec<QueryRef> = (0..40).map(|index| query("default", &format!("q{index}"))).collect();
    let at = AT.parse().expect("an instant");
    let reads = futures::future::join_all(queries.iter().map(|query| sources.read("default", query, at)));
    let open = async {
        while present.load(Ordering::SeqCst) < 16 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(16);
    };
    let (answers, ()) = tokio::join!(reads, open);
    assert!(answers.iter().all(|answer| *answer == Ok(Milli::new(7000))), "{answers:?}");
    assert_eq!(most.load(Ordering::SeqCst), 16);
}
