//! The operator over the hours in which clocks change, minute by minute in virtual time: every write comes
//! at its instant, and none else. The expected writes were worked out by hand.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tidetable::operator::{Occasion, Outcome};

use crate::support::operator::{Stage, at, deployment, policy};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// The writes from `from` until `to`, as `HH:MM→replicas` in UTC.
async fn writes(zone: &str, from: &str, to: &str) -> Vec<String> {
    let spec = json!({"schedule": {"timeZone": zone, "entries": [
        {"name": "base", "cron": "0 0 * * *", "replicas": 2},
        {"name": "fixed", "cron": "15 2 * * *", "replicas": 5},
        {"name": "end", "cron": "0 5 * * *", "replicas": 2},
        {"name": "each", "cron": "45 * * * *", "for": "10m", "replicas": 9},
        {"name": "night", "cron": "30 1 * * *", "until": "02:45", "replicas": 7},
    ]}});
    let objects = [deployment("web", 2), policy(&spec)];
    let mut stage = Stage::with_interval(from, &objects, Duration::from_secs(60)).await;
    let mut now = at(from);
    let mut found = Vec::new();
    loop {
        // The tick of this minute comes last.
        loop {
            let evaluation = stage.next().await;
            if let Outcome::Scaled { to, .. } = evaluation.outcome {
                assert_eq!((evaluation.at, stage.clock.now()), (now, now), "written at its instant");
                found.push(format!("{}→{to}", now.strftime("%H:%M")));
            }
            if evaluation.occasion == Occasion::Tick && evaluation.at == now {
                break;
            }
        }
        now += MINUTE;
        if now > at(to) {
            break;
        }
        stage.clock.advance_to(now);
    }
    let last = found.last().and_then(|write| write.rsplit('→').next()).expect("a write").to_owned();
    assert_eq!(stage.replicas("web").await.to_string(), last);
    stage.stop().await;
    found
}

fn listed(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn over_a_missing_hour_every_write_comes_at_its_instant_and_none_else() {
    // 02:00 to 03:00: `fixed` and the end of `night` come at the first instant after the gap, and `each`
    // does not fire in it.
    assert_eq!(
        writes("Europe/Berlin", "2026-03-28T23:31:00Z", "2026-03-29T03:30:00Z").await,
        listed("23:45→9 23:55→2 00:30→7 00:45→9 00:55→7 01:00→5 01:45→9 01:55→5 02:45→9 02:55→5 03:00→2"),
    );
    assert_eq!(
        writes("America/New_York", "2026-03-08T05:31:00Z", "2026-03-08T09:30:00Z").await,
        listed("05:45→9 05:55→2 06:30→7 06:45→9 06:55→7 07:00→5 07:45→9 07:55→5 08:45→9 08:55→5 09:00→2"),
    );
    // 02:00 to 02:30 only: `fixed` is moved, and the end of `night` is where it always is.
    assert_eq!(
        writes("Australia/Lord_Howe", "2026-10-03T14:01:00Z", "2026-10-03T18:30:00Z").await,
        listed(
            "14:15→9 14:25→2 15:00→7 15:15→9 15:25→7 15:45→9 15:55→5 16:45→9 16:55→5 17:45→9 17:55→5 18:00→2"
        ),
    );
}

#[tokio::test]
async fn over_a_repeated_hour_every_write_comes_at_its_instant_and_none_else() {
    // 03:00 back to 02:00: `fixed` and `night` count the first pass alone, `each` both.
    assert_eq!(
        writes("Europe/Berlin", "2026-10-24T22:31:00Z", "2026-10-25T04:30:00Z").await,
        listed(
            "22:45→9 22:55→2 23:30→7 23:45→9 23:55→7 00:45→9 00:55→5 01:45→9 01:55→5 02:45→9 02:55→5 03:45→9 \
             03:55→5 04:00→2"
        ),
    );
    // 02:00 back to 01:00: `night` starts at the first pass.
    assert_eq!(
        writes("America/New_York", "2026-11-01T04:31:00Z", "2026-11-01T10:30:00Z").await,
        listed(
            "04:45→9 04:55→2 05:30→7 05:45→9 05:55→7 06:45→9 06:55→7 07:45→9 07:55→5 08:45→9 08:55→5 09:45→9 \
             09:55→5 10:00→2"
        ),
    );
    // 02:00 back to 01:30.
    assert_eq!(
        writes("Australia/Lord_Howe", "2026-04-04T13:31:00Z", "2026-04-04T19:00:00Z").await,
        listed(
            "13:45→9 13:55→2 14:30→7 14:45→9 14:55→7 15:15→9 15:25→7 16:15→9 16:25→5 17:15→9 17:25→5 18:15→9 \
             18:25→5 18:30→2"
        ),
    );
}
