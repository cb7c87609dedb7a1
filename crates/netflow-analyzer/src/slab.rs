//! Numbered places for values, reused when free.

/// A growing array of places. A place is named by its number from [`insert`](Self::insert) to
/// [`free`](Self::free); what is left in a free place is of no meaning.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<T>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes in a value. The caller bounds their number far below 2^32.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = value;
                place
            }
            None => {
                self.places.push(value);
                (self.places.len() - 1) as u32
            }
        }
    }

    /// Gives a place back, which must not be free.
    #[inline]
    pub(crate) fn free(&mut self, place: u32) {
        self.free.push(place);
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> &T {
        &self.places[place as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> &mut T {
        &mut self.places[place as usize]
    }

    /// The places of all values, in their order.
    pub(crate) fn places(&mut self) -> impl Iterator<Item = u32> + use<'_, T> {
        self.free.sort_unstable();
        let mut free = self.free.iter().peekable();
        (0..self.places.len() as u32).filter(move |place| free.next_if(|&free| free == place).is_none())
    }

    /// Removes all values, and gives their memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_reused() {
        let mut slab = Slab::new();
        let (one, two) = (slab.insert("one"), slab.insert("two"));
        slab.free(one);
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.insert("three"), one);
        assert_eq!((slab.len(), *slab.get(two)), (2, "two"));
        let four = slab.insert("four");
        slab.insert("five");
        slab.free(four);
        slab.free(one);
        let left: Vec<_> = slab.places().collect();
        assert_eq!(left.iter().map(|&place| *slab.get(place)).collect::<Vec<_>>(), ["two", "five"]);
        slab.clear();
        assert_eq!((slab.len(), slab.places().count()), (0, 0));
    }
}
