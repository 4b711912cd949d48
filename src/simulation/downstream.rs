//! A tier behind the workload, such as a database, that all of its replicas share: the bottleneck that is not at
//! the front door.
//!
//! With `N` requests in flight, each takes
//!
//! ```text
//! L(N) = L0 + N/C + κ N² / (C² L0)          seconds
//! X(N) = N / L(N)                            requests per second
//! ```
//! where `L0` is the time that one takes alone, `C` the rate that the tier approaches when nothing gets in its way
//! and `κ` its contention. This is Gunther's universal scalability law (Guerrilla Capacity Planning, 2007),
//! `X(N) = γN / (1 + αN + βN²)`, with `γ = 1/L0`, `α = 1/(C L0)` and `β = κ/(C L0)²`. Without contention
//! `X` rises towards `C` for ever, and `L` is `L0 / (1 − X/C)`, as in a queue M/M/1. With contention the tier is
//! fastest at `N = C L0 / √κ`, and beyond that more in flight means less done.
//!
//! Each ready replica has so many connections, so `N` is bounded by their number. While the tier keeps up, `N` is
//! what the demand needs; once it doesn't, all connections are busy.

/// What the tier is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DownstreamSpec {
    /// The rate that it approaches without contention, in requests per second.
    pub capacity: f64,
    /// What a request takes alone, in seconds.
    pub latency: f64,
    /// How many requests each ready replica may have in flight.
    pub connections_per_replica: f64,
    /// How much requests in flight hinder each other; 0 is not at all.
    pub contention: f64,
}

/// The tier at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flow {
    /// What it does, in requests per second.
    pub(super) throughput: f64,
    /// What a request takes, in seconds.
    pub(super) latency: f64,
    /// How much of its capacity is in use, from 0 to 1: `N / (N + C L0)`, which is `X / C` without contention.
    pub(super) utilization: f64,
}

impl DownstreamSpec {
    /// What becomes of `offered` requests per second from `ready` replicas.
    pub(super) fn serve(&self, offered: f64, ready: f64) -> Flow {
        let most = (ready * self.connections_per_replica).max(0.0);
        if most <= 0.0 {
            return Flow { throughput: 0.0, latency: self.latency, utilization: 0.0 };
        }
        match self.needed(offered).filter(|needed| *needed <= most) {
            Some(in_flight) => self.flow(in_flight),
            None => self.flow(most),
        }
    }

    /// How many have to be in flight for this rate, if it can be had: the lower solution of `X(N) = rate`.
    fn needed(&self, rate: f64) -> Option<f64> {
        if rate <= 0.0 {
            return Some(0.0);
        }
        let quadratic = self.contention / (self.capacity * self.capacity * self.latency);
        let linear = 1.0 / rate - 1.0 / self.capacity;
        let discriminant = linear * linear - 4.0 * quadratic * self.latency;
        if linear <= 0.0 || discriminant < 0.0 {
            return None;
        }
        // In the form that does not cancel for little contention.
        Some(2.0 * self.latency / (linear + discriminant.sqrt()))
    }

    fn flow(&self, in_flight: f64) -> Flow {
        let share = in_flight / self.capacity;
        let latency = self.latency + share + self.contention * share * share / self.latency;
        let utilization = in_flight / (in_flight + self.capacity * self.latency);
        Flow { throughput: in_flight / latency, latency, utilization }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
    }

    const TIER: DownstreamSpec =
        DownstreamSpec { capacity: 1000.0, latency: 0.02, connections_per_replica: 10.0, contention: 0.0 };

    #[test]
    fn without_contention_latency_is_that_of_a_single_server_queue() {
        for rate in [0.0, 100.0, 500.0, 900.0, 990.0] {
            let Flow { throughput, latency, utilization } = TIER.serve(rate, 1000.0);
            assert!(near(throughput, rate), "{rate}: {throughput}");
            assert!(near(latency, 0.02 / (1.0 - rate / 1000.0)), "{rate}: {latency}");
            assert!(near(utilization, rate / 1000.0), "{rate}: {utilization}");
        }
    }

    #[test]
    fn connections_bound_what_goes_through_and_the_rest_is_not_done() {
        // 20 in flight are as many as the tier takes in 20 ms: half of the capacity.
        let flow = TIER.serve(2000.0, 2.0);
        assert!(near(flow.throughput, 500.0) && near(flow.latency, 0.04), "{flow:?}");
        assert!(near(TIER.serve(500.0, 0.0).throughput, 0.0));
    }

    #[test]
    fn with_contention_there_is_a_best_number_of_replicas_and_more_of_them_do_less() {
        let tier = DownstreamSpec { contention: 0.25, ..TIER };
        // N* = C L0 / √κ = 40, so four replicas; X(N*) = C / (1 + 2 √κ) = 500.
        let done: Vec<f64> = (1..=12).map(|ready| tier.serve(5000.0, f64::from(ready)).throughput).collect();
        let best = (0..12).max_by(|a, b| done[*a].total_cmp(&done[*b])).expect("some");
        assert_eq!(best + 1, 4, "{done:?}");
        assert!(near(done[3], 500.0), "{done:?}");
        assert!(done[3..].is_sorted_by(|a, b| a > b), "{done:?}");
        // What can be had is had with the fewer in flight.
        let flow = tier.serve(400.0, 12.0);
        assert!(near(flow.throughput, 400.0) && flow.latency < 0.05, "{flow:?}");
    }
}
