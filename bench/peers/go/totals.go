// Counts and exact sums by each of the five groupings, in arrays that the places in the closed lists index.

package main

import (
	"math/big"
	"math/bits"
)

// amounts is how many there were and their sum in 128 bits.
type amounts struct{ count, sumLow, sumHigh uint64 }

func (a *amounts) add(amount int64) {
	var carry uint64
	a.count++
	a.sumLow, carry = bits.Add64(a.sumLow, uint64(amount), 0)
	a.sumHigh += carry
}

func (a *amounts) join(other *amounts) {
	var carry uint64
	a.count += other.count
	a.sumLow, carry = bits.Add64(a.sumLow, other.sumLow, 0)
	a.sumHigh, _ = bits.Add64(a.sumHigh, other.sumHigh, carry)
}

func (a *amounts) sum() string {
	sum := new(big.Int).SetUint64(a.sumHigh)
	return sum.Lsh(sum, 64).Add(sum, new(big.Int).SetUint64(a.sumLow)).String()
}

type extremes struct{ min, max int64 }

// grouped has a cell for each value of a list and each currency.
type grouped [][currencyCount]amounts

type totals struct {
	byCurrency                               [currencyCount]amounts
	extremes                                 [currencyCount]extremes
	byType, byCategory, byCountry, byChannel grouped
}

func newTotals() *totals {
	return &totals{
		byType:     make(grouped, typeCount),
		byCategory: make(grouped, categoryCount),
		byCountry:  make(grouped, countryCount),
		byChannel:  make(grouped, channelCount),
	}
}

func (t *totals) add(tx *transaction) {
	amount := tx.amountMinor
	currency := &t.byCurrency[tx.currency]
	t.extremes[tx.currency].join(extremes{amount, amount}, currency.count == 0)
	currency.add(amount)
	t.byType[tx.kind][tx.currency].add(amount)
	t.byCategory[tx.category][tx.currency].add(amount)
	t.byCountry[tx.country][tx.currency].add(amount)
	t.byChannel[tx.channel][tx.currency].add(amount)
}

func (e *extremes) join(other extremes, isFirst bool) {
	if isFirst {
		*e = other
		return
	}
	e.min, e.max = min(e.min, other.min), max(e.max, other.max)
}

func (t *totals) join(other *totals) {
	for currency := range other.byCurrency {
		if other.byCurrency[currency].count > 0 {
			t.extremes[currency].join(other.extremes[currency], t.byCurrency[currency].count == 0)
			t.byCurrency[currency].join(&other.byCurrency[currency])
		}
	}
	t.byType.join(other.byType)
	t.byCategory.join(other.byCategory)
	t.byCountry.join(other.byCountry)
	t.byChannel.join(other.byChannel)
}

func (g grouped) join(other grouped) {
	for value := range other {
		for currency := range other[value] {
			g[value][currency].join(&other[value][currency])
		}
	}
}

// cell and minMaxCell are how amounts look in the summary.
type cell struct {
	Count    uint64 `json:"count"`
	SumMinor string `json:"sum_minor"`
}

type minMaxCell struct {
	cell
	MinMinor int64 `json:"min_minor"`
	MaxMinor int64 `json:"max_minor"`
}

// summary is the totals in the contract's shape.
func (t *totals) summary() map[string]any {
	byCurrency := map[string]minMaxCell{}
	for currency, all := range t.byCurrency {
		if all.count > 0 {
			at := t.extremes[currency]
			byCurrency[currencies[currency]] = minMaxCell{cell{all.count, all.sum()}, at.min, at.max}
		}
	}
	return map[string]any{
		"currency": byCurrency,
		"type":     t.byType.summary(types),
		"category": t.byCategory.summary(categories),
		"country":  t.byCountry.summary(countries),
		"channel":  t.byChannel.summary(channels),
	}
}

func (g grouped) summary(names []string) map[string]map[string]cell {
	values := map[string]map[string]cell{}
	for value, cells := range g {
		for currency, all := range cells {
			if all.count == 0 {
				continue
			}
			if values[names[value]] == nil {
				values[names[value]] = map[string]cell{}
			}
			values[names[value]][currencies[currency]] = cell{all.count, all.sum()}
		}
	}
	return values
}
