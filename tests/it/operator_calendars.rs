//! Calendars and the policies that name them, on a virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use http::StatusCode;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, CustomResourceExt};
use serde_json::{Value, json};
use tidetable::api::{ScaleCalendar, ScalePolicy};
use tidetable::clock::Clock;
use tidetable::operator::{Occasion, Outcome};
use tidetable::sandbox::{Sandbox, SandboxOptions};

use crate::support::operator::{Stage, at, day_and_night, deployment, policy, scaled, start};

fn calendar(name: &str, dates: &[&str]) -> Value {
    let dates: Vec<Value> = dates.iter().map(|date| json!({"date": date})).collect();
    json!({
        "apiVersion": "tidetable.dev/v1alpha1",
        "kind": "ScaleCalendar",
        "metadata": {"name": name},
        "spec": {"dates": dates},
    })
}

/// 12 by day and 0 by night, but not on the dates of `holidays-de`.
fn but_on_holidays() -> Value {
    let mut spec = day_and_night();
    spec["schedule"]["exceptDates"] = json!(["holidays-de"]);
    spec
}

/// 12 by day and 0 by night; 20 from 9 to 19 on the dates of `sales`.
fn more_on_sales() -> Value {
    let mut spec = day_and_night();
    let sale =
        json!({"name": "sale", "cron": "0 9 * * *", "for": "10h", "replicas": 20, "onDates": ["sales"]});
    spec["schedule"]["entries"].as_array_mut().expect("entries").push(sale);
    spec
}

async fn next_change(stage: &Stage) -> String {
    stage.status("web").await.next_change.expect("a next change").summary
}

async fn ready(stage: &Stage) -> (String, String) {
    let conditions = stage.status("web").await.conditions;
    let ready = conditions.into_iter().find(|condition| condition.r#type == "Ready").expect("Ready");
    (ready.reason.into_owned(), ready.message.into_owned())
}

const MISSING: &str = "there is no ScaleCalendar holidays-de; the schedule runs as without its dates";

#[tokio::test]
async fn a_new_calendar_counts_at_once_and_writes_come_at_the_instants_that_it_leaves() {
    // 22:00:01 in Berlin on Christmas Eve.
    let objects = [deployment("web", 3), policy(&but_on_holidays())];
    let mut stage = Stage::with("2026-12-24T21:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 0));
    assert_eq!(next_change(&stage).await, "07:00 → 12");
    assert_eq!(ready(&stage).await, ("CalendarMissing".to_owned(), MISSING.to_owned()));

    stage.sandbox.create(calendar("holidays-de", &["2026-12-25"])).expect("a calendar");
    let evaluation = stage.next().await;
    assert_eq!((evaluation.occasion, evaluation.outcome), (Occasion::First, Outcome::Unchanged));
    assert_eq!(evaluation.at, at("2026-12-24T21:00:01Z"), "the clock stands still: it is at once");
    stage.until_told().await;
    assert_eq!(next_change(&stage).await, "Sat 07:00 → 12");
    assert_eq!(ready(&stage).await.0, "AsPlanned");

    stage.clock.advance_to(at("2026-12-25T06:00:00Z"));
    let evaluation = stage.next().await;
    assert_eq!((evaluation.occasion, evaluation.outcome), (Occasion::Tick, Outcome::Unchanged));
    let edge = at("2026-12-26T06:00:00Z");
    stage.clock.advance_to(edge);
    let evaluation = stage.next().await;
    assert_eq!(
        (evaluation.occasion, evaluation.at, evaluation.outcome),
        (Occasion::Edge, edge, scaled(0, 12))
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_deleted_calendar_is_missed_and_the_workload_follows_the_schedule_without_its_dates() {
    let sales = calendar("sales", &["2026-11-27"]);
    let objects = [sales.clone(), deployment("web", 3), policy(&more_on_sales())];
    // Noon in Berlin on a day of sales.
    let mut stage = Stage::with("2026-11-27T11:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 20));
    assert_eq!(ready(&stage).await.0, "AsPlanned");
    let calendars = Api::<ScaleCalendar>::all(stage.client.clone());

    calendars.delete("sales", &DeleteParams::default()).await.expect("deleted");
    assert_eq!(stage.next().await.outcome, scaled(20, 12));
    stage.until_told().await;
    let missing = "there is no ScaleCalendar sales; the schedule runs as without its dates";
    assert_eq!(ready(&stage).await, ("CalendarMissing".to_owned(), missing.to_owned()));
    assert_eq!(next_change(&stage).await, "20:00 → 0");
    let events = stage.events().await;
    assert!(events.contains(&("CalendarMissing".to_owned(), missing.to_owned())), "{events:?}");

    stage.sandbox.create(sales).expect("a calendar");
    assert_eq!(stage.next().await.outcome, scaled(12, 20));
    stage.until_told().await;
    assert_eq!(ready(&stage).await.0, "AsPlanned");
    let other_days = Patch::Merge(json!({"spec": {"dates": [{"date": "2026-11-28"}]}}));
    calendars.patch("sales", &PatchParams::default(), &other_days).await.expect("changed");
    assert_eq!(stage.next().await.outcome, scaled(20, 12));
    stage.until_told().await;
    assert_eq!(ready(&stage).await.0, "AsPlanned");
    stage.stop().await;
}

#[tokio::test]
async fn a_calendar_wakes_those_alone_who_name_it_and_only_when_its_dates_change() {
    let mut other = policy(&day_and_night());
    other["metadata"]["name"] = json!("other");
    other["spec"]["scaleTargetRef"]["name"] = json!("other");
    let holidays = calendar("holidays-de", &["2026-11-26"]);
    let objects =
        [holidays, deployment("web", 12), deployment("other", 12), policy(&but_on_holidays()), other];
    let mut stage = Stage::with("2026-11-27T11:00:01Z", &objects, "{}").await;
    let mut first = [stage.next().await.name, stage.next().await.name];
    first.sort();
    assert_eq!(first, ["other", "web"]);
    let calendars = Api::<ScaleCalendar>::all(stage.client.clone());
    for (patch, woken) in [
        (json!({"metadata": {"labels": {"country": "de"}}}), false),
        (json!({"spec": {"dates": [{"date": "2026-11-26", "name": "a name"}]}}), false),
        (json!({"spec": {"dates": [{"date": "2026-11-27"}]}}), true),
    ] {
        calendars
            .patch("holidays-de", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("changed");
        if woken {
            let evaluation = stage.next().await;
            assert_eq!((evaluation.name.as_str(), evaluation.outcome), ("web", scaled(12, 0)));
        }
        let silence = tokio::time::timeout(Duration::from_millis(200), stage.evaluations.recv()).await;
        assert!(silence.is_err(), "{patch}: {silence:?}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_calendar_with_mistakes_counts_as_missing_and_says_so() {
    // The form of the date is right, so the API server takes it; there is no such day.
    let holidays = calendar("holidays-de", &["2026-02-29"]);
    let objects = [holidays, deployment("web", 3), policy(&but_on_holidays())];
    let mut stage = Stage::with("2026-11-27T11:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    let (reason, message) = ready(&stage).await;
    assert_eq!(reason, "CalendarMissing");
    let wanted = "the ScaleCalendar holidays-de has mistakes (spec.dates[0].date: \"2026-02-29\" is not";
    assert!(message.starts_with(wanted), "{message}");
    stage.stop().await;
}

#[tokio::test]
async fn without_the_crd_of_calendars_policies_run_as_without_their_dates_until_it_is_there() {
    let clock = Clock::stopped_at(at("2026-11-27T11:00:01Z"));
    let sandbox = Sandbox::start(SandboxOptions::new(clock.clone())).await.expect("a sandbox");
    let crd = |crd| serde_json::to_value(crd).expect("a CRD");
    for object in [crd(ScalePolicy::crd()), deployment("web", 3), policy(&but_on_holidays())] {
        sandbox.create(object).expect("a valid object");
    }
    let mut stage = Stage::of(sandbox, clock, "{}");
    assert_eq!(stage.next().await.outcome, scaled(3, 12));
    let (reason, message) = ready(&stage).await;
    assert_eq!(reason, "CalendarMissing");
    assert!(
        message.contains("holidays-de can't be read: the API server does not know the kind"),
        "{message}"
    );

    for object in [crd(ScaleCalendar::crd()), calendar("holidays-de", &["2026-11-27"])] {
        stage.sandbox.create(object).expect("a valid object");
    }
    // The watch tries again after a second or two of real time. It may see the kind before the calendar.
    while stage.replicas("web").await != 0 {
        stage.next().await;
    }
    stage.until_told().await;
    assert_eq!(ready(&stage).await.0, "AsPlanned");
    stage.stop().await;
}

/// A client whose requests for calendars fail until `open` is true.
async fn without_calendars(client: Client, open: Arc<AtomicBool>) -> Client {
    let forward = move |request: Request| {
        let (client, open) = (client.clone(), Arc::clone(&open));
        async move {
            if request.uri().path().ends_with("/scalecalendars") && !open.load(Ordering::SeqCst) {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            let (mut head, body) = request.into_parts();
            head.headers.remove(http::header::HOST);
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
            let request = http::Request::from_parts(head, body.to_vec().into());
            client.send(request).await.expect("an answer").map(Body::new)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(forward)).await });
    let mut config = kube::Config::new(url.parse().expect("a URL"));
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

#[tokio::test]
async fn a_policy_with_a_calendar_is_left_alone_until_the_calendars_are_read() {
    let sales = calendar("sales", &["2026-11-27"]);
    let objects = [sales, deployment("web", 20), policy(&more_on_sales())];
    let mut stage = Stage::with("2026-11-27T11:00:01Z", &objects, "{}").await;
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    stage.end_operator().await;
    // As when the API server is still starting: without its dates the workload would go to 12.
    let open = Arc::new(AtomicBool::new(false));
    let client = without_calendars(stage.client.clone(), Arc::clone(&open)).await;
    (stage.operator, stage.evaluations, stage.shutdown) = start(client, &stage.clock, "{}");
    for second in ["15", "30"] {
        stage.clock.advance_to(at(&format!("2026-11-27T11:00:{second}Z")));
        let silence = tokio::time::timeout(Duration::from_millis(200), stage.evaluations.recv()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
    open.store(true, Ordering::SeqCst);
    assert_eq!(stage.next().await.outcome, Outcome::Unchanged);
    assert_eq!((stage.replicas("web").await, ready(&stage).await.0), (20, "AsPlanned".to_owned()));
    stage.stop().await;
}
