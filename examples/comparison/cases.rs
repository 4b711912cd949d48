//! The traces, and what is to be said about them.

use tidetable::simulation::Run;

/// A trace and the plant that it meets.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) trace: &'static str,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    /// Whose days they are; `None` for a trace that is too short to have any.
    pub(crate) zone: Option<&'static str>,
    pub(crate) scale: f64,
    pub(crate) capacity_qps: f64,
    pub(crate) target_qps: f64,
    pub(crate) reasons: &'static [Reason],
}

/// Why rivals are better at something.
pub(crate) struct Reason {
    pub(crate) score: Score,
    /// Those who are better, in the order of the table. The oracle always is and is not named.
    pub(crate) better: &'static [&'static str],
    pub(crate) text: &'static str,
}

/// Requests that were late or lost, in percent of all.
pub(crate) fn failed(run: &Run) -> f64 {
    run.scores.late_percent + run.scores.dropped_percent
}

/// What users and those who pay mind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Score {
    Late,
    Cost,
    Changes,
}

impl Score {
    pub(crate) const ALL: [Self; 3] = [Self::Late, Self::Cost, Self::Changes];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Late => "late requests",
            Self::Cost => "cost",
            Self::Changes => "changes",
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "changes of some weeks fit 53 bits")]
    fn of(self, run: &Run) -> f64 {
        match self {
            Self::Late => failed(run),
            Self::Cost => run.scores.elasticity.replica_hours,
            Self::Changes => run.scores.elasticity.scale_events as f64,
        }
    }

    /// Who is better than the first, by more than a hundredth part of it.
    pub(crate) fn better(self, runs: &[Run]) -> Vec<&str> {
        let [ours, rivals @ ..] = runs else { return Vec::new() };
        let limit = self.of(ours) * 0.99 - 1e-9;
        let name = |run: &&Run| if run.name.starts_with("static:") { "static" } else { "" };
        let better = rivals
            .iter()
            .filter(|run| run.name != "oracle" && !run.name.starts_with("tidetable") && self.of(run) < limit);
        better.map(|run| if name(&run).is_empty() { run.name.as_str() } else { "static" }).collect()
    }
}

impl Case {
    /// Who is said to be better.
    pub(crate) fn said(&self, score: Score) -> Vec<&'static str> {
        let reasons = self.reasons.iter().filter(|reason| reason.score == score);
        reasons.flat_map(|reason| reason.better.iter().copied()).collect()
    }
}

pub(crate) const INTRODUCTION: &str = r"# Compared on recorded traffic

This page is written by `make comparison TRACES=DIR`. It shows what tidetable does with traffic that others have recorded,
at its defaults and with numbers that a search found, beside what else one could have, also where that is better.

How it is played:

- Each trace is cut in half, at a local midnight. The first half is what one knows. The second half is played, with ticks of
  15 s, and nobody but the oracle has seen it.
- tidetable's schedule is learned from the first half by a rule that was fixed before the second half was looked at: the
  floor of each local hour is the median demand of that hour, on working days and on weekends, divided by the target. A
  step fires five minutes before its hour. Everything else of the policy is a default.
- All have the same target, 80 % of what a replica can carry, and the same bounds. Pods take 40 s to start. Prometheus scrapes
  every 15 s, and the query is a `rate()` over a minute.
- Requests over what the ready replicas can carry wait in a queue. After a second they are late, after ten they are lost.

Who is compared:

- `hpa`: the upstream HorizontalPodAutoscaler without `behavior`.
- `keda`: the same schedule as cron triggers, and the metric as a Prometheus trigger.
- `knative`: its autoscaler with windows of 60 s and, in panic, 6 s. It counts requests itself and does not wait for Prometheus.
- `static`: what the highest demand of the first half needs, always.
- `oracle`: knows what comes and pays for no replica that is not needed. Nobody can be better.
- `tidetable, tuned`: the same policy with numbers that were searched for on the first half: the target, from 60 to 100 % of
  what a replica can carry; tolerances from 0 to 0.1 and stabilization windows, upward and downward; smoothing; and a factor
  of the whole schedule, from 0.5 to 1.1. Of 240 candidates it is the one with the fewest late and lost requests among those that
  cost there at most 99 % of what `hpa` costs. (What it costs can be foretold from the first half; how many are late, less so. So
  cost is the limit.) This rule was fixed on first halves, cut in half again, before it was played on the second.
- `tidetable, learned and tuned`: the schedule that `tidetable learn` finds in the first half, at one of four costs of a
  shortage, with sixty candidates for the same numbers at each; chosen in the same way.
- `hpa, tuned`: the upstream HorizontalPodAutoscaler with a `behavior` and those of these numbers that it has, from the same
  candidates, chosen in the same way: a fair rival.

Under each table stands who is better than tidetable at its defaults by more than a hundredth part at late and lost requests
together, cost or changes, and why. The command that makes the table fails when these sentences do not fit the numbers. The
oracle is left out of them.

What tuning buys, in late and lost requests and in replica hours, on the second halves:

";

pub(crate) const SOURCES: &str = r"
The traces are not part of this repository. All are CSV of `timestamp_seconds,qps`:

- `ms_mongo_app1_2018` and `ms_ecommerce_api_2017_18`: Microsoft's cloud monitoring dataset (MIT).
- `nasa_http_1995_07`: the log of a web server of NASA's Kennedy Space Center, collected by Jim Dumoulin and contributed to the
  Internet Traffic Archive by Martin Arlitt and Carey Williamson; counted by the minute by PasanBhanu (CC BY 4.0).
- `azure_llm_code_2023`: Microsoft Azure's LLM inference trace (CC BY 4.0; Patel et al., Splitwise, ISCA 2024).
";

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "mongo",
        trace: "ms_mongo_app1_2018.csv",
        title: "A database of an application, by the minute",
        about: "Eleven days. Large and smooth, with the same steep rises at the same hours of every day: what a schedule is \
                for.",
        zone: Some("UTC"),
        scale: 1.0,
        capacity_qps: 250.0,
        target_qps: 200.0,
        reasons: &[
            Reason {
                score: Score::Cost,
                better: &["hpa", "knative", "hpa, tuned"],
                text: "`hpa`, tuned or not, and `knative` cost less: they have no floor that is there before the rise, and are late \
                       in steep ones.",
            },
            Reason {
                score: Score::Changes,
                better: &["keda", "static"],
                text: "`keda` changes less often: a step of the schedule within a tenth of the present is no change for its \
                       controller, and tidetable follows every one to the replica. `static` never changes.",
            },
        ],
    },
    Case {
        name: "nasa",
        trace: "nasa_http_1995_07.csv",
        title: "A web server, by the minute",
        about: "Four weeks of few requests, so that chance makes one minute twice the next. The first half has a day on \
                which a shuttle was launched, which sizes `static`.",
        zone: Some("America/New_York"),
        scale: 100.0,
        capacity_qps: 10.0,
        target_qps: 8.0,
        reasons: &[
            Reason {
                score: Score::Late,
                better: &["keda", "static"],
                text: "`keda` is late less often: a load within a tenth of the workload's replicas asks for these replicas, those of \
                       the schedule too, and that counts for five minutes; so after a step or a burst it rests a replica \
                       higher, and costs that much more. tidetable's level does not hear of the schedule. `static` is \
                       several times what is needed.",
            },
            Reason {
                score: Score::Cost,
                better: &["hpa", "knative", "hpa, tuned"],
                text: "`hpa`, tuned or not, and `knative` cost less, and are late two to twelve times as often: they follow \
                       every lull, and the next minute is not like the last one.",
            },
            Reason {
                score: Score::Changes,
                better: &["keda", "static", "hpa, tuned"],
                text: "`keda` changes less often, since it rests higher, and `hpa, tuned`, since it looks back for longer; \
                       so does tidetable once it is tuned. A workload like this one wants that, `smoothing`, or slower rate \
                       policies; the defaults have none of them.",
            },
        ],
    },
    Case {
        name: "shop",
        trace: "ms_ecommerce_api_2017_18.csv",
        title: "A shop, by the hour",
        about: "Eight and a half months; the first half has the weeks before Christmas. The trace has one value an hour, so \
                all demand jumps at full hours, and whoever follows is late 24 times a day. The time zone is inferred \
                from the trace's own clock changes.",
        zone: Some("America/Los_Angeles"),
        scale: 1.0,
        capacity_qps: 10.0,
        target_qps: 8.0,
        reasons: &[
            Reason {
                score: Score::Late,
                better: &["keda", "knative", "static"],
                text: "`keda` happens to rest a replica higher at a few of the jumps. `knative` sees a jump within seconds, where Prometheus needs a minute to show \
                       all of it. `static` has the size of the days before Christmas.",
            },
            Reason {
                score: Score::Cost,
                better: &["hpa", "hpa, tuned"],
                text: "`hpa`, tuned or not, costs less: it goes below the medians of autumn and winter whenever the load does, where tidetable \
                       keeps its floor.",
            },
            Reason {
                score: Score::Changes,
                better: &["hpa", "keda", "static"],
                text: "`hpa` and `keda` change less often: tidetable follows the steps of the schedule in addition to the \
                       jumps of the load, and those within a tenth too.",
            },
        ],
    },
    Case {
        name: "completion",
        trace: "azure_llm_code_2023.csv",
        title: "Code completion by a language model, by ten seconds",
        about: "57 minutes of bursts with nothing in between, of which the second half is played. There is no day from \
                which a schedule could be learned, so tidetable has none, and is a HorizontalPodAutoscaler with other \
                defaults for going up. Nobody who waits 40 s for a pod can follow this.",
        zone: None,
        scale: 1.0,
        capacity_qps: 2.0,
        target_qps: 1.6,
        reasons: &[
            Reason {
                score: Score::Late,
                better: &["static", "hpa, tuned"],
                text: "`static` is never late, at several times the cost: bursts are shorter than a pod's start. `hpa, tuned` keeps \
                       what a burst needed for longer, as tidetable does with the same numbers: without a schedule they are \
                       alike.",
            },
            Reason {
                score: Score::Changes,
                better: &["static", "hpa, tuned"],
                text: "`static` never changes, and the tuned ones hardly ever do: they have given up on following.",
            },
        ],
    },
];
