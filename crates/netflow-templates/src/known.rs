//! Elements by number, wherever they are known from.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::element::{DataType, Element};
use crate::options::{DescribedElements, Options};
use crate::registry::Registry;

/// The elements that hold for one exporter: those of the registry, then those that it described itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownElements<'a> {
    registry: &'a Registry,
    options: &'a Options,
    exporter: IpAddr,
}

impl<'a> KnownElements<'a> {
    pub(crate) fn new(registry: &'a Registry, options: &'a Options, exporter: IpAddr) -> Self {
        Self { registry, options, exporter }
    }

    /// The element with a number; [`Element::unknown`] when nobody knows it.
    pub(crate) fn element(&self, enterprise: u32, id: u16) -> Element {
        let known = self.registry.find(enterprise, id).map(Cow::into_owned);
        known
            .or_else(|| self.described()?.element(enterprise, id))
            .unwrap_or_else(|| Element::unknown(enterprise, id))
    }

    /// The data type of the element with a number.
    pub(crate) fn data_type(&self, enterprise: u32, id: u16) -> DataType {
        if let Some(known) = self.registry.find(enterprise, id) {
            return known.data_type;
        }
        let described = self.described().and_then(|elements| elements.data_type(enterprise, id));
        described.unwrap_or(DataType::OctetArray)
    }

    /// The elements that the exporter described, none of which is in the registry.
    pub(crate) fn described(&self) -> Option<&'a DescribedElements> {
        self.options.elements(self.exporter)
    }
}
