//! What is said and shown while the API server is away.

use super::*;
use crate::cluster::stage::HOME;

/// Waits until the metrics of an operator are as `fits` wants them.
async fn shown(operator: &Process, what: &str, fits: impl Fn(&str) -> bool) -> Checked {
    let waited = in_time(what, async {
        while !fits(&operator.serves("/metrics").await?) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    });
    match waited.await {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error}: {}", operator.serves("/metrics").await?).into()),
    }
}

fn is(text: &str, name: &str, fits: impl Fn(f64) -> bool) -> bool {
    sample(text, name).is_some_and(fits)
}

const AGE: &str = "tidetable_oldest_observation_age_seconds";
const LEADER: &str = "tidetable_leader";
const UNREACHED: &str = "tidetable_api_failures_total{category=\"transport\"}";

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_shows_in_the_metrics_and_is_said_once() -> Checked {
    let (sandbox, proxy, (_directory, kubeconfig)) = behind_a_proxy().await?;
    let usual = ["--interval", "1s", "--log-format", "json"];
    let elected = ["--leader-elect", "--lease-namespace", HOME, "--lease-duration", "15s"];
    let mut operator = Process::start_with(&kubeconfig, &[&usual[..], &elected[..]].concat()).await?;
    let other = ["--namespace", "elsewhere", "--log-level", "info"];
    let mut talkative = Process::start_with(&kubeconfig, &other).await?;
    let leads = |text: &str| is(text, LEADER, |leads| leads > 0.0) && is(text, AGE, |age| age < 2.0);
    shown(&operator, "the operator to lead", leads).await?;

    proxy.trouble.send_replace(Trouble::Gone);
    let is_seen = |text: &str| {
        let is_lost = is(text, LEADER, |leads| leads < 1.0) && is(text, AGE, |age| age > 5.0);
        is_lost && is(text, UNREACHED, |count| count > 5.0)
    };
    shown(&operator, "the outage to show", is_seen).await?;
    proxy.trouble.send_replace(Trouble::Nothing);
    shown(&operator, "the operator to lead again", leads).await?;

    for process in [&mut operator, &mut talkative] {
        assert_eq!(process.terminate().await?.code(), Some(0), "{}", process.log());
    }
    let log = operator.log();
    let lines: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let errors: Vec<&Value> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let warnings = lines.iter().filter(|line| line["level"] == "WARN");
    let said =
        warnings.filter(|line| line["message"].as_str().is_some_and(|text| text.contains("the lease")));
    assert_eq!(said.count(), 1, "{log}");
    assert!(talkative.log().contains("failed with error"), "who asks for it is told: {}", talkative.log());
    sandbox.shutdown().await;
    Ok(())
}
