//! Which orders are open, or may be: what the cap counts, what a sweep waits for, and what the dead man's switch is
//! kept armed for.
//!
//! It counts too many rather than too few: an order stays until a reading of the venue that began after it was last
//! heard of does not show it.

use std::collections::{BTreeMap, BTreeSet};

use venuekit_session::CommandId;
use venuekit_types::Mono;
use venuekit_venue::{Fault, MarketId, OrderPatch, OrderStatus};

/// A product of a venue: its place in the gateway's list, and in the venue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Product {
    pub(super) venue: usize,
    pub(super) product: usize,
}

/// What is known of one product.
#[derive(Clone, Debug, Default)]
struct Known {
    open: BTreeMap<String, (OrderPatch, Mono)>,
    /// When the last reading of the venue began.
    read: Option<Mono>,
    /// Why a later one failed.
    unread: Option<Fault>,
}

/// What is known of all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// Orders whose outcome is not known, and those that are being looked up.
    in_flight: BTreeMap<CommandId, Product>,
    products: BTreeMap<Product, Known>,
}

impl Orders {
    /// An order may leave from now on.
    pub(super) fn begin(&mut self, id: CommandId, product: Product) {
        self.in_flight.insert(id, product);
    }

    /// The outcome of an order is known; gives back where it was.
    pub(super) fn settle(&mut self, id: CommandId) -> Option<Product> {
        self.in_flight.remove(&id)
    }

    /// The venue spoke of an order.
    pub(super) fn heard(&mut self, product: Product, order: &OrderPatch, at: Mono) {
        let open = &mut self.products.entry(product).or_default().open;
        if order.status.is_some_and(OrderStatus::is_final) {
            open.remove(&order.order_id);
        } else {
            open.insert(order.order_id.clone(), (order.clone(), at));
        }
    }

    /// The venue listed what is open, asked at an instant.
    pub(super) fn listed(&mut self, product: Product, asked: Mono, orders: Vec<OrderPatch>) {
        let known = self.products.entry(product).or_default();
        known.open.retain(|_, (_, heard)| *heard >= asked);
        known.read = Some(asked);
        known.unread = None;
        for order in orders {
            known.open.entry(order.order_id.clone()).or_insert((order, asked));
        }
    }

    /// The venue could not be read.
    pub(super) fn unread(&mut self, product: Product, fault: Fault) {
        self.products.entry(product).or_default().unread = Some(fault);
    }

    /// Why the venue could not be read the last time, if that is so.
    pub(super) fn fault(&self, product: Product) -> Option<Fault> {
        self.products.get(&product)?.unread.clone()
    }

    /// Orders of a product that are open, or may be.
    pub(super) fn may_be_open(&self, product: Product) -> usize {
        let flying = self.in_flight.values().filter(|of| **of == product).count();
        flying + self.products.get(&product).map_or(0, |known| known.open.len())
    }

    /// Markets of a product with orders that are known to be open.
    pub(super) fn markets(&self, product: Product) -> BTreeSet<MarketId> {
        let open = self.products.get(&product).into_iter().flat_map(|known| known.open.values());
        open.map(|(order, _)| order.market).collect()
    }

    /// Orders of everything that are open, or may be.
    pub(super) fn count(&self) -> usize {
        self.in_flight.len() + self.products.values().map(|known| known.open.len()).sum::<usize>()
    }

    /// Orders whose outcome is not known.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// When a product was last read.
    pub(super) fn read_at(&self, product: Product) -> Option<Mono> {
        self.products.get(&product)?.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_venue::MarketId;

    #[test]
    fn an_order_stays_until_a_later_reading_does_not_show_it() {
        let (here, there) = (Product { venue: 0, product: 0 }, Product { venue: 0, product: 1 });
        let order = |id: &str, status| {
            let mut order = OrderPatch::new(MarketId(0), id.to_owned());
            order.status = Some(status);
            order
        };
        let mut orders = Orders::default();
        orders.begin(CommandId(1), here);
        assert_eq!((orders.count(), orders.may_be_open(here), orders.may_be_open(there)), (1, 1, 0));
        orders.heard(here, &order("a", OrderStatus::New), Mono(10));
        orders.settle(CommandId(1));
        assert_eq!((orders.count(), orders.in_flight()), (1, 0));
        // A list that was asked for before the order was placed says nothing about it.
        orders.listed(here, Mono(9), Vec::new());
        assert_eq!(orders.may_be_open(here), 1);
        orders.listed(here, Mono(11), vec![order("b", OrderStatus::New)]);
        assert_eq!(orders.may_be_open(here), 1);
        orders.heard(here, &order("b", OrderStatus::Canceled), Mono(12));
        assert_eq!((orders.count(), orders.read_at(here)), (0, Some(Mono(11))));
    }
}
