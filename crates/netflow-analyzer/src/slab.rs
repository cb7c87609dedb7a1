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

    /// Takes out all values.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        self.free.sort_unstable();
        let mut free = std::mem::take(&mut self.free).into_iter().peekable();
        let mut place = 0;
        let mut values = std::mem::take(&mut self.places);
        values.retain(|_| {
            let used = free.next_if_eq(&place).is_none();
            place += 1;
            used
        });
        values
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
        assert_eq!(slab.take_all(), ["two", "five"]);
        assert_eq!(slab.len(), 0);
    }
}
