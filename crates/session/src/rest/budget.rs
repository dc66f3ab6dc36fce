//! Weighted request budgets: what was drawn, when it comes back, and what the venue says of it.
//!
//! A window is kept as a rolling one, the strictest reading: what fits any span of that length fits a fixed window
//! however it lies. A bucket that refills evenly is kept as that. A draw counts from the moment its request was
//! answered, since the venue counted it no later than that; until then it counts without end. So the way there may
//! be as uneven as it likes.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use venuekit_types::Mono;
use venuekit_venue::spec::{Budget, BudgetKey, Draws, Window};
use venuekit_venue::{Auth, HttpReply, HttpRequest, Lane, MarketId};

use crate::io::RequestId;

/// The share of each budget that only the two urgent lanes may draw: one part in this many.
const RESERVE: u32 = 20;
/// What polls leave to the others at least, where the budget has twice that: a few orders to look up. What must be
/// read leaves half as much, where the budget has twice that: one order.
const RESERVE_MIN: u32 = 6;

/// Whose window it is, where one budget has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Address,
    Account,
    Pair(MarketId),
}

/// Every budget of one origin.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    budgets: Vec<(Budget, BTreeMap<Owner, Spent>)>,
    /// How many other sessions draw on the budgets of our address, as much as we do.
    others: u32,
}

/// What one request draws, and from where.
struct Draw {
    budget: usize,
    owner: Owner,
    amount: u32,
}

impl Budgets {
    /// Takes the budgets of one more product of the origin; those of one name are one budget.
    pub(crate) fn add(&mut self, budgets: &[Budget]) {
        for budget in budgets {
            if !self.budgets.iter().any(|(known, _)| known.name == budget.name) {
                self.budgets.push((budget.clone(), BTreeMap::new()));
            }
        }
    }

    /// Draws on the budgets of an address as one of so many sessions from now on.
    ///
    /// What we draw is counted as if each of the others drew the same at that moment; what the venue says was used is
    /// everybody's already.
    pub(crate) fn share(&mut self, sessions: NonZeroU32) {
        self.others = sessions.get() - 1;
    }

    /// What cancels cost by the age of their orders, where that counts.
    pub(crate) fn ages(&self) -> Option<&'static [(Duration, u32)]> {
        self.budgets.iter().find_map(|(budget, _)| match budget.draws {
            Draws::AgedOrders(ages) => Some(ages),
            _ => None,
        })
    }

    fn draws(&self, request: &HttpRequest, market: Option<MarketId>) -> impl Iterator<Item = Draw> {
        self.budgets.iter().enumerate().filter_map(move |(index, (budget, _))| {
            let amount = match budget.draws {
                Draws::Weight => request.weight,
                Draws::Under(path) if request.target.starts_with(path) => request.weight,
                Draws::Under(_) => 0,
                // What a cancel draws by the age of its order was found out before.
                Draws::Orders | Draws::AgedOrders(_) => request.orders,
            };
            let proven = request.auth != Auth::None;
            let owner = match budget.key {
                BudgetKey::Ip => Owner::Address,
                BudgetKey::Account | BudgetKey::ApiKey if proven => Owner::Account,
                BudgetKey::AccountElseIp if proven => Owner::Account,
                BudgetKey::AccountElseIp => Owner::Address,
                BudgetKey::Pair if proven => market.map_or(Owner::Account, Owner::Pair),
                BudgetKey::Account | BudgetKey::ApiKey | BudgetKey::Pair => return None,
            };
            let amount = match owner {
                Owner::Address => amount.saturating_add(amount.saturating_mul(self.others)),
                Owner::Account | Owner::Pair(_) => amount,
            };
            (amount > 0).then_some(Draw { budget: index, owner, amount })
        })
    }

    /// Whether a request may leave now; if not, when to look again, at the latest.
    pub(crate) fn fits(
        &mut self,
        now: Mono,
        lane: Lane,
        request: &HttpRequest,
        market: Option<MarketId>,
    ) -> Result<(), Mono> {
        // A cancel is never held back: a refusal costs less than an order that stays.
        if lane == Lane::Cancel {
            return Ok(());
        }
        let mut later: Option<Mono> = None;
        let draws: Vec<Draw> = self.draws(request, market).collect();
        for draw in draws {
            let (budget, spent) = &mut self.budgets[draw.budget];
            let is_shared = matches!(budget.draws, Draws::Weight | Draws::Under(_));
            let share = budget.capacity.div_ceil(RESERVE);
            let reserve = match lane {
                Lane::Must if is_shared => share.max((RESERVE_MIN / 2).min(budget.capacity / 4)),
                Lane::Poll if is_shared => share.max(RESERVE_MIN.min(budget.capacity / 2)),
                _ => 0,
            };
            let spent = spent.entry(draw.owner).or_default();
            let room = spent.capacity.unwrap_or(budget.capacity).saturating_sub(reserve).max(1);
            if let Err(at) = spent.fits(now, budget.window, budget.capacity, room, draw.amount) {
                later = Some(later.map_or(at, |known| known.max(at)));
            }
        }
        later.map_or(Ok(()), Err)
    }

    /// Takes what a request draws, as it leaves.
    pub(crate) fn draw(&mut self, id: RequestId, request: &HttpRequest, market: Option<MarketId>) {
        let draws: Vec<Draw> = self.draws(request, market).collect();
        for draw in draws {
            let spent = self.budgets[draw.budget].1.entry(draw.owner).or_default();
            spent.out.insert(id, draw.amount);
            spent.total = spent.total.saturating_add(draw.amount);
        }
    }

    /// What is drawn now: by budget, whether it is the account's, and how much. What a pair has of its own is not told,
    /// since it is for orders alone.
    pub(crate) fn used(&mut self, now: Mono) -> impl Iterator<Item = (&str, bool, u32)> {
        self.budgets.iter_mut().flat_map(move |(budget, spent)| {
            for spent in spent.values_mut() {
                spent.expire(now, budget.window, budget.capacity);
            }
            let name = budget.name.as_ref();
            spent.iter().filter_map(move |(owner, spent)| match owner {
                Owner::Address => Some((name, false, spent.total)),
                Owner::Account => Some((name, true, spent.total)),
                Owner::Pair(_) => None,
            })
        })
    }

    /// Takes over what an earlier run had drawn so long ago. All of it counts as drawn at the end, which is no earlier
    /// than it was.
    pub(crate) fn resume(&mut self, now: Mono, name: &str, of_account: bool, amount: u32, age: Duration) {
        let Some((budget, spent)) = self.budgets.iter_mut().find(|(budget, _)| budget.name == name) else {
            return;
        };
        let left = match budget.window {
            Window::Bucket(span) => {
                let unit = unit(span, budget.capacity);
                let back = age.as_nanos() / unit.as_nanos().max(1);
                amount.saturating_sub(u32::try_from(back).unwrap_or(u32::MAX))
            }
            window if age >= window.span() => 0,
            _ => amount,
        };
        if left > 0 {
            let owner = if of_account { Owner::Account } else { Owner::Address };
            spent.entry(owner).or_default().at_least(now, budget.window, budget.capacity, left);
        }
    }

    /// A request is over, answered or not: the venue counted it until now.
    pub(crate) fn settle(&mut self, now: Mono, id: RequestId) {
        for spent in self.budgets.iter_mut().flat_map(|(_, spent)| spent.values_mut()) {
            if let Some(amount) = spent.out.remove(&id) {
                if spent.done.is_empty() {
                    spent.leaks_from = now;
                }
                spent.done.push_back((now, amount));
            }
        }
    }

    /// The venue refused a request for its budget: a bucket that we thought had room is empty, whoever drew on it.
    pub(crate) fn ran_dry(&mut self, now: Mono, request: &HttpRequest, market: Option<MarketId>) {
        let draws: Vec<Draw> = self.draws(request, market).collect();
        for draw in draws {
            let (budget, spent) = &mut self.budgets[draw.budget];
            if matches!(budget.window, Window::Bucket(_)) {
                let spent = spent.entry(draw.owner).or_default();
                let full = spent.capacity.unwrap_or(budget.capacity);
                spent.at_least(now, budget.window, budget.capacity, full);
            }
        }
    }

    /// Learns from the headers of an answer what the venue thinks was used. Only more than we know counts: the rest
    /// was another program's.
    pub(crate) fn learn(&mut self, now: Mono, request: &HttpRequest, reply: &HttpReply<'_>) {
        let number = |name: Option<&String>| -> Option<u32> {
            name.and_then(|name| reply.header(name)).and_then(|text| text.trim().parse().ok())
        };
        for (budget, spent) in &mut self.budgets {
            let owner = match budget.key {
                BudgetKey::Ip => Owner::Address,
                BudgetKey::AccountElseIp if request.auth == Auth::None => Owner::Address,
                BudgetKey::Pair => continue,
                _ => Owner::Account,
            };
            let limit = number(budget.limit_header.as_ref());
            let left = number(budget.left_header.as_ref());
            let told = number(budget.used_header.as_ref());
            let used = told.or_else(|| Some(limit?.saturating_sub(left?)));
            if let Some(limit) = limit.filter(|&limit| limit > 0) {
                spent.entry(owner).or_default().capacity = Some(limit);
            }
            if let Some(used) = used {
                let capacity = budget.capacity;
                spent.entry(owner).or_default().at_least(now, budget.window, capacity, used);
            }
        }
    }
}

/// What was drawn from one window, and when.
#[derive(Debug, Default)]
struct Spent {
    /// Requests under way.
    out: BTreeMap<RequestId, u32>,
    /// Requests that are over, oldest first.
    done: VecDeque<(Mono, u32)>,
    total: u32,
    /// What it holds, where the venue said so.
    capacity: Option<u32>,
    /// Since when a bucket has given back nothing of what is over.
    leaks_from: Mono,
}

impl Spent {
    /// Takes out what came back by now.
    fn expire(&mut self, now: Mono, window: Window, capacity: u32) {
        if let Window::Bucket(span) = window {
            return self.leak(now, unit(span, self.capacity.unwrap_or(capacity)));
        }
        let span = window.span();
        while let Some(&(at, amount)) = self.done.front() {
            if at.plus(span) > now {
                break;
            }
            self.total = self.total.saturating_sub(amount);
            self.done.pop_front();
        }
    }

    /// A bucket gives back one at a time, as long as there is something to give back.
    fn leak(&mut self, now: Mono, unit: Duration) {
        let Some(&(_, amount)) = self.done.front() else { return };
        let mut left = amount;
        while self.leaks_from.plus(unit) <= now {
            self.leaks_from = self.leaks_from.plus(unit);
            self.total = self.total.saturating_sub(1);
            left = left.saturating_sub(1);
            if left == 0 {
                self.done.pop_front();
                let Some(&(_, next)) = self.done.front() else { return };
                left = next;
            }
        }
        if let Some(front) = self.done.front_mut() {
            front.1 = left;
        }
    }

    /// Whether an amount fits now; if not, when enough will have come back, or when to look again.
    fn fits(&mut self, now: Mono, window: Window, capacity: u32, room: u32, amount: u32) -> Result<(), Mono> {
        self.expire(now, window, capacity);
        // What is larger than the whole budget leaves when nothing else is in it.
        let mut over = self.total.saturating_add(amount).saturating_sub(room);
        if over == 0 || self.total == 0 {
            return Ok(());
        }
        let span = window.span();
        if let Window::Bucket(span) = window {
            let unit = unit(span, self.capacity.unwrap_or(capacity));
            let over_now: u32 = self.done.iter().map(|(_, amount)| *amount).sum();
            if over <= over_now {
                return Err(self.leaks_from.plus(unit.saturating_mul(over)));
            }
            return Err(now.plus(span));
        }
        for &(at, back) in &self.done {
            over = over.saturating_sub(back);
            if over == 0 {
                return Err(at.plus(span));
            }
        }
        // The rest is under way: its answer wakes us.
        Err(now.plus(span))
    }

    fn at_least(&mut self, now: Mono, window: Window, capacity: u32, used: u32) {
        self.expire(now, window, capacity);
        if used > self.total {
            if self.done.is_empty() {
                self.leaks_from = now;
            }
            self.done.push_back((now, used - self.total));
            self.total = used;
        }
    }
}

/// How long a bucket takes to give one back, rounded up.
fn unit(span: Duration, capacity: u32) -> Duration {
    let nanos = span.as_nanos().div_ceil(u128::from(capacity.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).max(Duration::from_nanos(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_venue::Ask;

    const SPAN: Duration = Duration::from_secs(60);

    fn budget(window: Window) -> Budget {
        Budget {
            name: "weight".into(),
            key: BudgetKey::Ip,
            window,
            capacity: 40,
            draws: Draws::Weight,
            used_header: Some("x-used".into()),
            limit_header: Some("x-limit".into()),
            left_header: Some("x-left".into()),
        }
    }

    fn request(weight: u32) -> HttpRequest {
        HttpRequest { weight, ..HttpRequest::get(&Ask::Instruments, "/test", "/test") }
    }

    /// Sessions behind one address, none of which sees the others: together they draw what one may, and each gets on.
    #[test]
    fn sessions_behind_one_address_draw_what_one_may() {
        for sessions in [1, 2, 5, 16] {
            let of = NonZeroU32::new(sessions).expect("not zero");
            let mut all: Vec<Budgets> = (0..sessions).map(|_| Budgets::default()).collect();
            for budgets in &mut all {
                budgets.add(&[budget(Window::Rolling(SPAN))]);
                budgets.share(of);
            }
            let mut now = Mono(1);
            let mut drawn = vec![0u32; all.len()];
            for id in 0..40 {
                for (budgets, drawn) in all.iter_mut().zip(&mut drawn) {
                    if budgets.fits(now, Lane::Order, &request(1), None).is_ok() {
                        budgets.draw(RequestId(id), &request(1), None);
                        budgets.settle(now, RequestId(id));
                        *drawn += 1;
                    }
                }
                now = now.plus(Duration::from_secs(1));
            }
            assert!(drawn.iter().sum::<u32>() <= 40, "{sessions} sessions drew {drawn:?} of 40");
            assert!(drawn.iter().all(|drawn| *drawn == 40 / sessions), "{sessions}: {drawn:?}");
            // What is larger than a share leaves alone, instead of never.
            now = now.plus(SPAN);
            assert!(all[0].fits(now, Lane::Order, &request(39), None).is_ok());
        }
    }

    /// A venue that counts by each kind of window, whatever the latency and the phase.
    #[test]
    fn what_leaves_fits_every_kind_of_window_at_the_venue() {
        for seed in 0..400 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut budgets = Budgets::default();
            let is_bucket = seed % 2 == 1;
            budgets.add(&[budget(if is_bucket { Window::Bucket(SPAN) } else { Window::Fixed(SPAN) })]);
            let ms = |n: u64| Duration::from_millis(n);
            let mut now = Mono(1_000_000_000);
            let mut under_way: Vec<(Mono, RequestId)> = Vec::new();
            let mut arrivals: Vec<(Mono, u32)> = Vec::new();
            for id in 0..400 {
                let weight = rng.u32(1..=8);
                loop {
                    under_way.sort_by_key(|(at, _)| *at);
                    while under_way.first().is_some_and(|(at, _)| *at <= now) {
                        let (at, id) = under_way.remove(0);
                        budgets.settle(at, id);
                    }
                    match budgets.fits(now, Lane::Poll, &request(weight), None) {
                        Ok(()) => break,
                        Err(at) => {
                            assert!(at > now, "seed {seed}: a wait that is over");
                            let answer = under_way.first().map_or(at, |(answer, _)| *answer);
                            now = at.min(answer);
                        }
                    }
                }
                budgets.draw(RequestId(id), &request(weight), None);
                let (there, back) = (rng.u64(1..4_000), rng.u64(1..4_000));
                arrivals.push((now.plus(ms(there)), weight));
                under_way.push((now.plus(ms(there + back)), RequestId(id)));
                now = now.plus(ms(rng.u64(0..300)));
            }
            arrivals.sort_by_key(|(at, _)| *at);
            let phase = rng.u64(0..60_000_000_000);
            let mut fixed: BTreeMap<u64, u32> = BTreeMap::new();
            let mut level = 40.0_f64;
            let mut last = Mono(0);
            for (index, &(at, weight)) in arrivals.iter().enumerate() {
                *fixed.entry((at.0 + phase) / 60_000_000_000).or_default() += weight;
                level = (level + at.since(last).as_secs_f64() * 40.0 / 60.0).min(40.0) - f64::from(weight);
                last = at;
                assert!(level >= -1e-6, "seed {seed}: the bucket ran dry");
                let rolling: u32 =
                    arrivals[..=index].iter().filter(|(a, _)| a.plus(SPAN) > at).map(|(_, w)| w).sum();
                assert!(is_bucket || rolling <= 40, "seed {seed}: {rolling} in a span");
            }
            // What a bucket gives back is used.
            let busy = arrivals.last().expect("some").0.since(Mono(1_000_000_000)).as_secs_f64();
            let sum: u32 = arrivals.iter().map(|(_, weight)| *weight).sum();
            assert!(
                !is_bucket || f64::from(sum) > busy * 40.0 / 60.0 * 0.9,
                "seed {seed}: {sum} in {busy} s"
            );
            assert!(
                is_bucket || fixed.values().all(|&sum| sum <= 40),
                "seed {seed}: a fixed window overflowed"
            );
        }
    }

    #[test]
    fn polls_leave_a_share_and_cancels_never_wait() {
        let mut budgets = Budgets::default();
        budgets.add(&[budget(Window::Rolling(SPAN))]);
        let now = Mono(1);
        budgets.draw(RequestId(1), &request(38), None);
        assert!(budgets.fits(now, Lane::Poll, &request(1), None).is_err());
        assert!(budgets.fits(now, Lane::Must, &request(1), None).is_err());
        assert!(budgets.fits(now, Lane::Order, &request(2), None).is_ok());
        assert!(budgets.fits(now, Lane::Order, &request(3), None).is_err());
        assert!(budgets.fits(now, Lane::Cancel, &request(3), None).is_ok());
    }

    #[test]
    fn the_venues_own_count_is_believed_when_it_is_higher() {
        let mut budgets = Budgets::default();
        budgets.add(&[budget(Window::Rolling(SPAN))]);
        let now = Mono(1);
        budgets.draw(RequestId(1), &request(1), None);
        for (used, fits) in [("0", true), ("rubbish", true), ("40", false)] {
            let headers = [("x-used".to_owned(), used.to_owned())];
            let reply = HttpReply { status: 200, headers: &headers, body: b"" };
            budgets.learn(now, &request(1), &reply);
            assert_eq!(budgets.fits(now, Lane::Order, &request(1), None).is_ok(), fits, "{used}");
        }
        assert!(budgets.fits(now.plus(SPAN), Lane::Order, &request(1), None).is_ok());
    }

    #[test]
    fn a_quota_told_by_limit_and_rest_replaces_ours() {
        let mut budgets = Budgets::default();
        budgets.add(&[budget(Window::Bucket(SPAN))]);
        let now = Mono(1);
        let headers = [("x-limit".to_owned(), "10".to_owned()), ("x-left".to_owned(), "3".to_owned())];
        budgets.learn(now, &request(1), &HttpReply { status: 200, headers: &headers, body: b"" });
        assert!(budgets.fits(now, Lane::Order, &request(3), None).is_ok());
        assert!(budgets.fits(now, Lane::Order, &request(4), None).is_err());
    }

    #[test]
    fn a_bucket_that_the_venue_calls_empty_fills_again_one_by_one() {
        let mut budgets = Budgets::default();
        budgets.add(&[budget(Window::Bucket(SPAN))]);
        let now = Mono(1_000_000_000);
        budgets.ran_dry(now, &request(1), None);
        let unit = SPAN / 40;
        let Err(at) = budgets.fits(now, Lane::Order, &request(2), None) else { panic!("it was empty") };
        assert_eq!(at, now.plus(unit * 2));
        assert!(budgets.fits(now.plus(unit), Lane::Order, &request(1), None).is_ok());
        assert!(budgets.fits(now.plus(unit), Lane::Order, &request(2), None).is_err());
        assert!(budgets.fits(at, Lane::Order, &request(2), None).is_ok());
    }
}
