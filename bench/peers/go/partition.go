// One partition, counted record after record in order of offset: the same work, with the same numbers, as the pipeline's.

package main

import "github.com/twmb/franz-go/pkg/kgo"

// ledger has a column for what can become of a record.
type ledger struct {
	consumed, accepted, redelivered, repeated uint64
	rejected                                  [reasonCount]uint64
	timely                                    [tooLate + 1]uint64
	missing                                   uint64
}

func (l *ledger) join(other *ledger) {
	l.consumed += other.consumed
	l.accepted += other.accepted
	l.redelivered += other.redelivered
	l.repeated += other.repeated
	l.missing += other.missing
	for why, count := range other.rejected {
		l.rejected[why] += count
	}
	for how, count := range other.timely {
		l.timely[how] += count
	}
}

// summary is the ledger in the contract's shape.
func (l *ledger) summary() map[string]any {
	rejected := map[string]uint64{}
	for why, count := range l.rejected {
		if count > 0 {
			rejected[reasonCodes[why]] = count
		}
	}
	return map[string]any{
		"consumed": l.consumed, "accepted": l.accepted, "redelivered": l.redelivered, "repeated": l.repeated,
		"rejected": rejected, "on_time": l.timely[onTime], "revised": l.timely[revised], "too_late": l.timely[tooLate],
		"missing_from_sequence": l.missing,
	}
}

// partition is all that is known of one partition. It lives in memory only.
type partition struct {
	ledger    ledger
	totals    *totals
	windows   *windows
	ids       *idWindow
	sequences *sequences
	members   *members
	tx        transaction // Filled anew for each record.
}

func newPartition(firstOffset int64) *partition {
	return &partition{
		totals:    newTotals(),
		windows:   newWindows(),
		ids:       newIDWindow(),
		sequences: newSequences(firstOffset == 0),
		members:   newMembers(),
	}
}

// take counts the next record.
func (p *partition) take(record *kgo.Record) {
	p.ledger.consumed++
	place, hasSequence, isValid := sequenceOf(record.Headers)
	if hasSequence && !isValid {
		p.ledger.rejected[invalidHeader]++
		return
	}
	timestampMs := record.Timestamp.UnixMilli()
	why := p.members.decode(record.Value, timestampMs, &p.tx)
	// Whatever becomes of a valid record, its id has been seen.
	isRepeated := why == accepted && p.ids.insert(p.tx.idHigh, p.tx.idLow, record.Offset, timestampMs)
	if hasSequence {
		switch p.sequences.follow(place) {
		case isTooFar:
			p.ledger.rejected[invalidHeader]++
			return
		case isRedelivered:
			p.ledger.redelivered++
			return
		}
	}
	switch {
	case why != accepted:
		p.ledger.rejected[why]++
	case isRepeated:
		p.ledger.repeated++
	default:
		p.ledger.accepted++
		p.totals.add(&p.tx)
		p.ledger.timely[p.windows.add(&p.tx)]++
	}
}

// report joins the partitions into one ledger and one set of totals.
func report(partitions map[int32]*partition) (map[string]any, map[string]any) {
	var counted ledger
	sums := newTotals()
	for _, p := range partitions {
		p.ledger.missing = p.sequences.missing
		counted.join(&p.ledger)
		sums.join(p.totals)
	}
	return counted.summary(), sums.summary()
}
