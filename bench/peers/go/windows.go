// Tumbling windows of a minute by event time, and the watermark that closes them.

package main

import "math"

const (
	windowMs     = 60_000
	outOfOrderMs = 5_000
	latenessMs   = 15 * 60_000
)

// timeliness is how a transaction stands to its window.
type timeliness uint8

const (
	onTime timeliness = iota
	revised
	tooLate
)

// window is count and sum by currency of one minute.
type window struct {
	startMs int64
	cells   [currencyCount]amounts
}

// windows are those of one partition that still take transactions.
type windows struct {
	open        map[int64]*window
	recent      *window // The last transaction's window is most often the next one's too.
	watermarkMs int64
	// The watermark at which the oldest open window takes nothing more.
	nextFinalMs int64
}

func newWindows() *windows {
	return &windows{open: map[int64]*window{}, watermarkMs: math.MinInt64, nextFinalMs: math.MaxInt64}
}

// add puts a transaction into its window, judged by the watermark of the transactions before it.
func (w *windows) add(tx *transaction) timeliness {
	startMs := floorDiv(tx.occurredAtMs, windowMs) * windowMs
	how := onTime
	if startMs+windowMs <= w.watermarkMs {
		how = revised
	}
	if startMs+windowMs+latenessMs <= w.watermarkMs {
		how = tooLate
	} else {
		w.at(startMs).cells[tx.currency].add(tx.amountMinor)
	}
	w.advance(min(tx.occurredAtMs, tx.recordTimestampMs) - outOfOrderMs)
	return how
}

func (w *windows) at(startMs int64) *window {
	if w.recent != nil && w.recent.startMs == startMs {
		return w.recent
	}
	found := w.open[startMs]
	if found == nil {
		found = &window{startMs: startMs}
		w.open[startMs] = found
		w.nextFinalMs = min(w.nextFinalMs, startMs+windowMs+latenessMs)
	}
	w.recent = found
	return found
}

// advance moves the watermark and drops the windows that it has passed for good.
func (w *windows) advance(toMs int64) {
	w.watermarkMs = max(w.watermarkMs, toMs)
	if w.watermarkMs < w.nextFinalMs {
		return
	}
	w.recent, w.nextFinalMs = nil, math.MaxInt64
	for startMs := range w.open {
		if finalMs := startMs + windowMs + latenessMs; finalMs <= w.watermarkMs {
			delete(w.open, startMs)
		} else {
			w.nextFinalMs = min(w.nextFinalMs, finalMs)
		}
	}
}
