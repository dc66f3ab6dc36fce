//! Every example runs to its end, against the simulator.
#![allow(clippy::duplicate_mod, reason = "each example is a program of its own, and brings what it shares")]

#[path = "../examples/balances.rs"]
mod balances;
#[path = "../examples/fills.rs"]
mod fills;
#[path = "../examples/order.rs"]
mod order;

#[test]
fn balances_are_read() {
    balances::main().expect("it ends well");
}

#[test]
fn fills_are_followed() {
    fills::main().expect("it ends well");
}

#[test]
fn an_order_is_placed_and_cancelled() {
    order::main().expect("it ends well");
}
