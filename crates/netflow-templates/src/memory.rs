//! What entries of collections take of memory, at most: bounds that count less could be passed.

/// An entry of a hash table. Tables double, and are filled to between 7/16 and 7/8 of their slots; each slot
/// has an octet of its hash beside it.
pub(crate) const fn hash_entry<T>() -> usize {
    (size_of::<T>() + 1) * 16 / 7 + 1
}

/// A hash table with its first four slots, which are more than its first entries count.
pub(crate) const fn hash_table<T>() -> usize {
    allocation(4 * (size_of::<T>() + 1) + 16)
}

/// An entry of a B-tree map or set. Nodes have room for 11 entries and at least 5, but for the root; above six
/// leaves or more there is a node with as many edges.
pub(crate) const fn tree_entry<T>() -> usize {
    let leaf = 11 * size_of::<T>() + 16;
    let inner = leaf + 12 * size_of::<usize>();
    leaf / 5 + inner / 25 + 1
}

/// The root of a B-tree map or set, which may have a single entry.
pub(crate) const fn tree<T>() -> usize {
    allocation(11 * size_of::<T>() + 16)
}

/// An entry of a vector that grows by doubling.
pub(crate) const fn vec_entry<T>() -> usize {
    2 * size_of::<T>()
}

/// An allocation of its own, with what the allocator adds.
pub(crate) const fn allocation(octets: usize) -> usize {
    octets.next_multiple_of(16) + 16
}
