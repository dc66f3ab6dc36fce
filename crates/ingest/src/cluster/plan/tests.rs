//! Members against a server of thirty lines, in virtual time: killed, frozen, cut off, joining and leaving by a seed.

use super::*;

const TTL: u64 = 10_000;
const POLL: u64 = 3_000;
/// Between two instants of the model.
const STEP: u64 = 50;

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What the server keeps of a shard.
#[derive(Clone, Debug, Default)]
struct Row {
    owner: String,
    heir: String,
    fence: i64,
    expires: u64,
}

struct Server {
    rows: BTreeMap<Shard, Row>,
    seen: BTreeMap<String, u64>,
    is_up: bool,
    takes: u64,
    moves: u64,
}

impl Server {
    fn take(&mut self, now: u64, shard: &Shard, me: &str) -> Option<Lease> {
        let row = self.rows.entry(shard.clone()).or_default();
        if row.expires > now && row.owner != me {
            return None;
        }
        self.takes += 1;
        *row = Row { owner: me.into(), heir: String::new(), fence: row.fence + 1, expires: now + TTL };
        Some(Lease { shard: shard.clone(), fence: row.fence })
    }

    fn holds(&self, now: u64, lease: &Lease, me: &str) -> bool {
        let row = &self.rows[&lease.shard];
        row.owner == me && row.fence == lease.fence && row.expires > now
    }
}

struct Model {
    name: String,
    slots: Vec<Slot>,
    /// When a session of each slot began, and until when its end takes.
    began: Vec<Option<u64>>,
    ends: Vec<u64>,
    next: u64,
    looked: Option<u64>,
    is_leaving: bool,
    frozen_until: u64,
    is_gone: bool,
}

impl Model {
    fn new(name: String, shards: &[Shard], now: u64) -> Model {
        let slot = |shard: &Shard| Slot { shard: shard.clone(), phase: Phase::Fresh, was_vacant: false };
        Model {
            name,
            slots: shards.iter().map(slot).collect(),
            began: vec![None; shards.len()],
            ends: vec![0; shards.len()],
            next: now,
            looked: None,
            is_leaving: false,
            frozen_until: 0,
            is_gone: false,
        }
    }

    fn look(&mut self, now: u64, server: &mut Server, dice: &mut Dice) {
        if !server.is_up {
            self.next = now + 1_000;
            return;
        }
        self.next = now + POLL;
        if !self.is_leaving {
            server.seen.insert(self.name.clone(), now);
        }
        let peers: Vec<String> =
            server.seen.iter().filter(|(_, seen)| **seen + TTL > now).map(|(name, _)| name.clone()).collect();
        let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
        let held = self.slots.iter().filter_map(|slot| match &slot.phase {
            Phase::Held(lease) | Phase::Ending(Some((lease, _))) => Some(lease.clone()),
            _ => None,
        });
        let kept: Vec<Lease> = held.filter(|lease| server.holds(now, lease, &self.name)).collect();
        for lease in &kept {
            server.rows.get_mut(&lease.shard).expect("held").expires = now + TTL;
        }
        let standing = |(shard, row): (&Shard, &Row)| {
            let lease = Lease { shard: shard.clone(), fence: row.fence };
            let is_held = row.expires > now;
            (shard.clone(), Standing { lease, owner: row.owner.clone(), heir: row.heir.clone(), is_held })
        };
        let standings: BTreeMap<Shard, Standing> = server.rows.iter().map(standing).collect();
        let is_steady = self.looked.is_some_and(|looked| now - looked < TTL);
        if self.looked.is_none() {
            self.next = now + 1_000;
        }
        self.looked = Some(now);
        let began = self.began.clone();
        let view = View {
            me: &self.name,
            peers: &peers,
            standings: &standings,
            kept: &kept,
            is_leaving: self.is_leaving,
            may_take: is_steady,
            is_warm: &|at| began[at].is_some_and(|began| began + 800 < now),
        };
        let steps = steps(&self.slots, &view);
        for slot in &mut self.slots {
            slot.was_vacant = is_steady && is_vacant(standings.get(&slot.shard));
        }
        for (at, step) in steps {
            self.act(now, at, step, server, dice);
        }
    }

    fn act(&mut self, now: u64, at: usize, step: Step, server: &mut Server, dice: &mut Dice) {
        let shard = self.slots[at].shard.clone();
        let mut end = |model: &mut Model, lease| {
            // Without a session there is only the spool to look at.
            let span = if model.began[at].is_some() { 50 + dice.below(1_500) } else { 100 };
            model.ends[at] = now + span;
            model.slots[at].phase = Phase::Ending(lease);
        };
        match step {
            Step::Take => {
                if let Some(lease) = server.take(now, &shard, &self.name) {
                    self.began[at].get_or_insert(now);
                    self.slots[at].phase = Phase::Held(lease);
                }
            }
            Step::Retake(old) => match server.take(now, &shard, &self.name) {
                Some(lease) if lease.fence == old.fence + 1 => self.slots[at].phase = Phase::Held(lease),
                other => end(self, other.map(|lease| (lease, None))),
            },
            Step::Warm => {
                self.began[at] = Some(now);
                self.slots[at].phase = Phase::Warming;
            }
            Step::Offer => server.rows.get_mut(&shard).expect("held").heir.clone_from(&self.name),
            Step::Adopt(lease) => {
                assert!(self.began[at].is_some(), "{shard} was handed to one that does not follow it");
                self.slots[at].phase = Phase::Held(lease);
            }
            Step::End { heir } => {
                let lease = match &self.slots[at].phase {
                    Phase::Held(lease) => Some((lease.clone(), heir)),
                    _ => None,
                };
                end(self, lease);
            }
            Step::Forget => self.slots[at].phase = Phase::Ending(None),
        }
    }

    /// Ends that are over: the session has stopped, and its rows are stored.
    fn see_ends(&mut self, now: u64, server: &mut Server) {
        for at in 0..self.slots.len() {
            if self.ends[at] > now || !server.is_up || !matches!(self.slots[at].phase, Phase::Ending(_)) {
                continue;
            }
            self.began[at] = None;
            let Phase::Ending(lease) = std::mem::replace(&mut self.slots[at].phase, Phase::Idle) else {
                continue;
            };
            let Some((lease, heir)) = lease.filter(|(lease, _)| server.holds(now, lease, &self.name)) else {
                continue;
            };
            let row = server.rows.get_mut(&lease.shard).expect("held");
            match heir.filter(|heir| row.heir == *heir) {
                Some(heir) => {
                    server.moves += 1;
                    let fence = row.fence + 1;
                    *row = Row { owner: heir, heir: String::new(), fence, expires: now + TTL };
                }
                None => (row.owner, row.expires) = (String::new(), 0),
            }
        }
    }
}

/// A cluster in virtual time.
struct World {
    now: u64,
    shards: Vec<Shard>,
    server: Server,
    members: Vec<Model>,
    dice: Dice,
    /// Since when nobody holds a shard.
    vacant_since: BTreeMap<Shard, u64>,
    longest: u64,
    /// The server is back since then.
    up_since: u64,
}

impl World {
    fn new(seed: u64, shards: u16, members: usize) -> World {
        let buckets = std::num::NonZeroU16::new(shards / 2).expect("not zero");
        let shards: Vec<Shard> = Shard::all("doex", buckets).collect();
        let server = Server { rows: BTreeMap::new(), seen: BTreeMap::new(), is_up: true, takes: 0, moves: 0 };
        let members = (0..members).map(|n| Model::new(format!("m{n}"), &shards, n as u64 * 20)).collect();
        World {
            now: 0,
            shards,
            server,
            members,
            dice: Dice(seed),
            vacant_since: BTreeMap::new(),
            longest: 0,
            up_since: 0,
        }
    }

    fn run(&mut self, span: u64) {
        let until = self.now + span;
        while self.now < until {
            self.now += STEP;
            let (now, server, dice) = (self.now, &mut self.server, &mut self.dice);
            for member in
                self.members.iter_mut().filter(|member| !member.is_gone && member.frozen_until <= now)
            {
                if member.next <= now {
                    member.look(now, server, dice);
                }
                member.see_ends(now, server);
            }
            for shard in &self.shards {
                let row = self.server.rows.get(shard);
                if !self.server.is_up || row.is_some_and(|row| !row.owner.is_empty() && row.expires > now) {
                    self.vacant_since.remove(shard);
                    continue;
                }
                // A lease that ran out ran out then, not when somebody noticed.
                let since = *self.vacant_since.entry(shard.clone()).or_insert(now);
                self.longest = self.longest.max(now - since.max(self.up_since));
            }
        }
    }

    /// Every shard is where it belongs, and nobody does anything about it.
    fn is_settled(&self) -> bool {
        let live: Vec<&str> =
            self.members.iter().filter(|m| !m.is_gone && !m.is_leaving).map(|m| m.name.as_str()).collect();
        let owners = assign(&self.shards, &live);
        let is_idle = |member: &Model| {
            member.slots.iter().all(|slot| matches!(slot.phase, Phase::Idle | Phase::Held(_)))
        };
        self.shards
            .iter()
            .zip(owners)
            .all(|(shard, owner)| self.server.rows.get(shard).map(|row| row.owner.as_str()) == owner)
            && self.members.iter().filter(|member| !member.is_gone).all(is_idle)
    }
}

#[test]
fn a_cluster_comes_to_rest_and_moves_each_shard_once() {
    for members in 1..=4 {
        let mut world = World::new(1, 64, members);
        world.run(30_000);
        assert!(world.is_settled(), "{members} members");
        // Whoever joins gets its share, each shard by one move and none through nobody's hands.
        let takes = world.server.takes;
        world.members.push(Model::new("late".into(), &world.shards, world.now));
        world.longest = 0;
        assert_eq!(world.server.moves, 0, "{members} members begin as they stay");
        world.run(30_000);
        assert!(world.is_settled(), "{members} members and one");
        assert_eq!(
            (world.server.takes, world.longest),
            (takes, 0),
            "{members}: no shard was anybody's to take"
        );
        let names = |count: usize| world.members.iter().take(count).map(|member| member.name.as_str());
        let (before, after): (Vec<&str>, Vec<&str>) =
            (names(members).collect(), names(members + 1).collect());
        let (before, after) = (assign(&world.shards, &before), assign(&world.shards, &after));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count() as u64;
        assert_eq!(world.server.moves, moved, "{members} members and one");
        // Whoever leaves hands over what it has, and nobody waits for its leases to end.
        let last = world.members.last_mut().expect("pushed");
        (last.is_leaving, last.next) = (true, 0);
        world.server.seen.remove("late");
        world.run(20_000);
        assert!(world.is_settled(), "{members} members again");
        assert_eq!((world.server.takes, world.longest), (takes, 0), "{members}: it was handed over");
    }
}

/// D1: nobody's for 13 s at most, whoever is killed, frozen or cut off, and in the end everything is where it belongs.
#[test]
fn no_shard_is_nobodys_for_longer_than_a_lease_and_a_look() {
    for seed in 0..40 {
        let mut world = World::new(seed, 16, 4);
        world.run(30_000);
        world.longest = 0;
        for _ in 0..12 {
            let at = usize::try_from(world.dice.below(world.members.len() as u64)).expect("few");
            let now = world.now;
            let alive =
                world.members.iter().filter(|member| !member.is_gone && member.frozen_until <= now).count();
            match world.dice.below(5) {
                0 if alive > 2 => world.members[at].is_gone = true,
                1 if alive > 2 => world.members[at].frozen_until = now + 60_000,
                2 => {
                    // Anew under its old name, with nothing but what stands at the server.
                    let name = world.members[at].name.clone();
                    world.members[at] = Model::new(name, &world.shards, now);
                }
                3 => {
                    world.server.is_up = false;
                    let span = 1_000 + world.dice.below(40_000);
                    world.run(span);
                    world.server.is_up = true;
                    world.up_since = world.now;
                }
                _ => {}
            }
            let span = 2_000 + world.dice.below(20_000);
            world.run(span);
        }
        assert!(world.longest <= TTL + POLL, "SEED={seed}: nobody's for {} ms", world.longest);
        for member in &mut world.members {
            member.frozen_until = 0;
        }
        world.run(60_000);
        assert!(world.is_settled(), "SEED={seed}");
    }
}

#[test]
fn an_heir_of_an_earlier_assignment_gets_nothing() {
    let shards: Vec<Shard> = Shard::all("doex", std::num::NonZeroU16::MIN).collect();
    let lease = Lease { shard: shards[0].clone(), fence: 4 };
    let slot = Slot { shard: shards[0].clone(), phase: Phase::Held(lease.clone()), was_vacant: false };
    let owner = assign(&shards[..1], &["a", "b"])[0].expect("somebody");
    let (me, other) = if owner == "a" { ("a", "b") } else { ("b", "a") };
    let check = |me: &str, heir: &str, expected: &[Step]| {
        let standing = Standing { lease: lease.clone(), owner: me.into(), heir: heir.into(), is_held: true };
        let view = View {
            me,
            peers: &["a", "b"],
            standings: &BTreeMap::from([(shards[0].clone(), standing)]),
            kept: std::slice::from_ref(&lease),
            is_leaving: false,
            may_take: true,
            is_warm: &|_| true,
        };
        let found: Vec<Step> =
            steps(std::slice::from_ref(&slot), &view).into_iter().map(|(_, step)| step).collect();
        assert_eq!(found, expected, "{me} has it, {heir:?} offers itself");
    };
    // Whose it is keeps it, whoever offers itself; whose it is not gives it to whose it is.
    check(me, other, &[]);
    check(other, "", &[]);
    check(other, "c", &[]);
    check(other, me, &[Step::End { heir: Some(me.to_owned()) }]);
}
