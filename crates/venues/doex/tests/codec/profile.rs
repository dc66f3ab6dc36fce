//! The profile: that it is complete, that it is followed, and what is said of one that is wrong.

use core::time::Duration;

use venuekit_doex::{Doex, FUTURES, SPOT};
use venuekit_venue::spec::{Heartbeat, KeyPlace, Login, RowIds};
use venuekit_venue::{Ask, Channel, Say, Topic, Venue};

use crate::{Desk, reply};

fn edited(from: &str, to: &str) -> String {
    assert_eq!(Doex::DEFAULT_PROFILE.matches(from).count(), 1, "{from}");
    Doex::DEFAULT_PROFILE.replace(from, to)
}

#[test]
fn the_specs_follow_from_it() {
    let venue = Doex::default();
    let [spot, futures] = venue.specs() else { panic!("two products") };
    assert_eq!((spot.product.as_str(), futures.product.as_str()), ("spot", "futures"));
    for (spec, private) in [(spot, 3), (futures, 4)] {
        assert_eq!(spec.hosts[0].rest, "https://api.doex.com");
        assert_eq!(spec.hosts[0].stream, "wss://stream.doex.com");
        let [public, user] = &spec.sockets[..] else { panic!("two sockets") };
        assert_eq!(public.limits.max_age, Some(Duration::from_secs(86_400)));
        assert_eq!(public.limits.max_streams, 200);
        assert_eq!(public.limits.client_messages.map(|rate| rate.count), Some(5));
        let seconds = Duration::from_secs;
        assert_eq!(
            public.heartbeats,
            [
                Heartbeat::ClientPing { every: seconds(20), within: seconds(10) },
                Heartbeat::ServerPing { every: seconds(60), within: seconds(180) },
            ]
        );
        let (every, life) = (seconds(1800), seconds(3600));
        assert_eq!(user.login, Login::ListenKey { place: KeyPlace::Path, every, life });
        assert_eq!(user.carries.len(), private);
        assert!(user.carries.iter().all(|channel| channel.is_private()));
        assert_eq!(spec.channel(Channel::Trades).expect("offered").ids, RowIds::Contiguous);
        assert_eq!(spec.books[0].rest_depths, [100, 500, 1000]);
        assert_eq!(spec.budgets[0].used_header.as_deref(), Some("x-doex-used-weight-1m"));
        // Every channel that a socket carries has a rule, and the other way round.
        for channel in spec.sockets.iter().flat_map(|socket| &socket.carries) {
            assert!(*channel == Channel::Book || spec.channel(*channel).is_some(), "{channel}");
        }
        assert!(spec.channels.iter().all(|rule| spec.offers(rule.channel)));
    }
    assert!(futures.offers(Channel::Mark) && !spot.offers(Channel::Mark));
}

/// An edit of the file is all it takes to move a host, a route, a name or a limit.
#[test]
fn an_edit_is_followed() {
    let text = edited(r#"depth = "{symbol}@depth""#, r#"depth = "book.{symbol}""#)
        .replace(r#"futures = "futures:""#, r#"futures = "perp/""#)
        .replace(r#"symbol = "symbol""#, r#"symbol = "market""#)
        .replace(r#"path = "/v1/futures/depth""#, r#"path = "/v2/book""#)
        .replace("wss://stream.doex.com", "ws://127.0.0.1:9000")
        .replace("trade_ids_contiguous = true", "trade_ids_contiguous = false");
    let venue = Doex::from_profile(&text).expect("a whole profile");
    assert_eq!(venue.specs()[SPOT].hosts[0].stream, "ws://127.0.0.1:9000");
    assert_eq!(venue.specs()[FUTURES].channel(Channel::Trades).expect("offered").ids, RowIds::Opaque);
    let mut desk = Desk::new(FUTURES);
    desk.venue = venue;
    let market = desk.market("BTCUSDT");
    let mut out = Vec::new();
    assert!(desk.venue.say(
        desk.place(),
        Say::Subscribe { id: 1, topics: &[Topic::of(Channel::Book, market)], pass: None },
        &mut out
    ));
    assert_eq!(out, br#"{"method":"SUBSCRIBE","params":["perp/book.btcusdt"],"id":1}"#);
    let request = desk.venue.ask(desk.place(), &Ask::Depth { market, levels: 10 }).expect("a route");
    assert_eq!(request.target, "/v2/book?market=BTCUSDT&limit=10");
}

#[test]
fn error_codes_are_edited_too() {
    let text =
        edited("{ from = -2010, to = -2010, kind = \"rejected\"", "{ from = 7, to = 9, kind = \"banned\"");
    let venue = Doex::from_profile(&text).expect("a whole profile");
    let mut desk = Desk::new(SPOT);
    desk.venue = venue;
    let kind = |code: i64| {
        let body = format!(r#"{{"code":{code},"msg":"why"}}"#);
        desk.answer(&Ask::Time, &reply(400, &body)).map(drop).expect_err("a refusal").kind.as_str()
    };
    assert_eq!(
        [6, 7, 9, 10, -2010].map(kind),
        ["bad request", "banned", "banned", "bad request", "bad request"]
    );
}

#[test]
fn facts_are_confirmed_one_by_one() {
    let confirmed = |venue: &Doex| {
        let facts = venue.facts().into_iter().filter(|fact| fact.confirmed);
        facts.map(|fact| fact.name).collect::<Vec<_>>()
    };
    let venue = Doex::default();
    assert!(confirmed(&venue).is_empty());
    assert!(venue.facts().len() > 100);
    let text = edited("confirmed = []", r#"confirmed = ["book.rest_depth", "routes.spot.depth.path"]"#);
    let venue = Doex::from_profile(&text).expect("two facts");
    assert_eq!(confirmed(&venue), ["book.rest_depth", "routes.spot.depth.path"]);
}

fn check(text: &str, place: &str, what: &str, hint: &str) {
    let error = Doex::from_profile(text).expect_err(what);
    let line = text.lines().position(|line| line.contains(place)).expect("in the text") + 1;
    assert_eq!(error.line, line, "{error}");
    assert!(error.what.contains(what), "{error}");
    assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{error}");
    assert!(error.to_string().starts_with(&format!("profile line {line}, column ")), "{error}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let text = edited("rest_depth = 1000", "rest_dept = 1000");
    check(&text, "rest_dept =", "unknown key `book.rest_dept`", "did you mean `book.rest_depth`?");
    let text = edited("[heartbeat]", "[hartbeat]");
    check(&text, "[hartbeat]", "unknown key `hartbeat", "`heartbeat");
    let text = edited("page = 500", "# page = 500");
    check(&text, "[history]", "missing key `history.page`", "every key");
    let text = edited("mark = { path", "markt = { path");
    check(&text, "markt = {", "unknown key `routes.futures.markt", "routes.futures.mark");
    let text = edited("max_streams = 200", "max_streams = \"many\"");
    check(&text, "max_streams", "invalid type", "");
    let text = edited("max_streams = 200", "max_streams = 0");
    check(&text, "max_streams", "nonzero", "");
    let text = edited("max_streams = 200", "max_streams = ");
    check(&text, "max_streams", "", "");
    let text = edited("kind = \"clock\"", "kind = \"clocks\"");
    check(&text, "clocks", "unknown variant", "");
    let text = edited("{ from = -1013,", "{ form = -1013,");
    check(&text, "form =", "unknown field `form`", "");
    let text = edited("confirmed = []", "confirmed = [\n  \"book.rest_dept\"\n]");
    check(&text, "\"book.rest_dept\"", "which is no fact", "book.rest_depth");
    let text = edited("confirmed = []", "confirmed = [\"book\"]");
    check(&text, "[\"book\"]", "which is no fact", "");
    let text = edited("\"/v1/trades\"", "\"v1/trades\"");
    check(&text, "\"v1/trades\"", "does not start with /", "");
    let text = edited("[[100, 1], [500, 5],", "[[500, 5], [100, 1],");
    check(&text, "[[500, 5]", "has to rise", "");
    let error = Doex::from_profile("").expect_err("nothing");
    assert_eq!((error.line, error.column), (1, 1));
}

#[test]
fn the_column_counts_characters() {
    let text = edited("rest_depth = 1000", "'é' = 1\nrest_depth = 1000");
    let error = Doex::from_profile(&text).expect_err("a key too many");
    assert_eq!((error.column, error.what.as_str()), (1, "unknown key `book.é`"));
    let text = edited("spot = \"\", futures", "spot = \"é\", other = \"\", futures");
    let line = text.lines().find(|line| line.contains("other")).expect("there");
    let error = Doex::from_profile(&text).expect_err("a key too many");
    assert_eq!(
        error.column,
        line.chars()
            .collect::<String>()
            .find("other")
            .map(|at| line[..at].chars().count() + 1)
            .expect("there")
    );
}
