// The ids at the last offsets of a partition: tells a repeat from a new transaction.
//
// A ring holds the ids in order of offset; an open-addressed table finds the newest place of an id. A slot keeps 32 bits
// of the hash next to the place, so that looking up an id that isn't there, which is nearly all of them, touches the
// table only. (Go's own map takes three times as long here, and its garbage collector walks it.)

package main

const (
	idOffsets = 100_000
	idAgeMs   = 24 * 3_600_000
	// Powers of two: room for all offsets, and twice that for the table.
	ringSize  = 1 << 17
	tableBits = 18
	tableMask = 1<<tableBits - 1
)

// idPlace is one id at one offset. earlier is the place of the same id before it, or negative.
type idPlace struct {
	high, low           uint64
	offset, timestampMs int64
	earlier             int64
}

// idWindow holds the places from oldest up to next; place p is in the ring at p modulo its size.
type idWindow struct {
	ring         []idPlace
	table        []uint64 // Hash in the upper half, index in the ring + 1 in the lower; 0 is free.
	oldest, next int64
}

func newIDWindow() *idWindow {
	return &idWindow{ring: make([]idPlace, ringSize), table: make([]uint64, tableMask+1)}
}

// insert remembers an id, and says whether it stands at one of the offsets before in a record not too much older.
func (w *idWindow) insert(high, low uint64, offset, timestampMs int64) (isRepeated bool) {
	for w.oldest < w.next && w.ring[w.oldest%ringSize].offset < offset-idOffsets {
		w.forget(w.oldest)
		w.oldest++
	}
	hash := hashOf(high, low)
	slot := w.find(high, low, hash)
	earlier := int64(-1)
	if index := w.table[slot] & 0xffff_ffff; index != 0 {
		// The newest place with that index: it is one of the last ringSize ones.
		earlier = w.next - 1 - (w.next-int64(index))%ringSize
		for place := earlier; place >= w.oldest; place = w.ring[place%ringSize].earlier {
			if w.ring[place%ringSize].timestampMs >= timestampMs-idAgeMs {
				isRepeated = true
				break
			}
		}
	}
	index := w.next % ringSize
	w.ring[index] = idPlace{high: high, low: low, offset: offset, timestampMs: timestampMs, earlier: earlier}
	w.table[slot] = uint64(hash)<<32 | uint64(index+1)
	w.next++
	return isRepeated
}

// find is the slot of an id, or the free one where it belongs.
func (w *idWindow) find(high, low uint64, hash uint32) int {
	slot := home(hash)
	for {
		entry := w.table[slot]
		if entry == 0 {
			return slot
		}
		if uint32(entry>>32) == hash {
			if place := &w.ring[entry&0xffff_ffff-1]; place.low == low && place.high == high {
				return slot
			}
		}
		slot = (slot + 1) & tableMask
	}
}

// forget takes a place's entry out of the table, unless a newer place of the same id has it.
func (w *idWindow) forget(place int64) {
	old := &w.ring[place%ringSize]
	hash := hashOf(old.high, old.low)
	free := w.find(old.high, old.low, hash)
	if w.table[free]&0xffff_ffff != uint64(place%ringSize+1) {
		return
	}
	// What was pushed past the freed slot moves back into it, so that it is still found from its home.
	for slot := (free + 1) & tableMask; w.table[slot] != 0; slot = (slot + 1) & tableMask {
		pushed := (slot - home(uint32(w.table[slot]>>32))) & tableMask
		if pushed >= (slot-free)&tableMask {
			w.table[free] = w.table[slot]
			free = slot
		}
	}
	w.table[free] = 0
}

func hashOf(high, low uint64) uint32 {
	return uint32((low ^ high*0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93 >> 32)
}

func home(hash uint32) int {
	return int(hash >> (32 - tableBits))
}
