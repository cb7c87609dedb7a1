//! What entries of collections take of memory, at most: bounds that count less could be passed.

/// An entry of a B-tree map or set. Nodes have room for 11 entries and at least 5, but for the root; above six
/// leaves or more there is a node with as many edges.
pub(crate) const fn tree_entry<T>() -> usize {
    let leaf = 11 * size_of::<T>() + 16;
    let inner = leaf + 12 * size_of::<usize>();
    leaf / 5 + inner / 25 + 1
}

/// An allocation of its own, with what the allocator adds.
pub(crate) const fn allocation(octets: usize) -> usize {
    octets.next_multiple_of(16) + 16
}
