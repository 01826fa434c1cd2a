package metrics

import "math"

// tie is the weight of the positive and of the negative rows that share one score.
type tie struct{ positive, negative float64 }

// rank calls each for every distinct score, highest first, and returns the weight of
// each class. Infinite scores are scores.
func rank(metric string, truth []bool, score, weights []float64, each func(tie)) (positive, negative float64, err error) {
	if err := checkLength(metric, "score", len(score), len(truth)); err != nil {
		return 0, 0, err
	}
	if err := checkWeights(metric, len(truth), weights); err != nil {
		return 0, 0, err
	}
	rows := make([]ranked, len(truth))
	for i, s := range score {
		if math.IsNaN(s) {
			return 0, 0, malformed(metric, "score[%d] is NaN", i)
		}
		rows[i] = ranked{descending(s), weight(weights, i)}
		if !truth[i] {
			rows[i].weight = -rows[i].weight
		}
	}
	rows = sortRanked(rows)
	for i := 0; i < len(rows); {
		var t tie
		for key := rows[i].key; i < len(rows) && rows[i].key == key; i++ {
			if w := rows[i].weight; w > 0 {
				t.positive += w
			} else {
				t.negative -= w
			}
		}
		each(t)
		positive += t.positive
		negative += t.negative
	}
	return positive, negative, nil
}

// ranked is a row on its way to be sorted.
type ranked struct {
	key    uint64  // orders the rows by score, highest first
	weight float64 // negative for a row of the negative class
}

// descending maps a score to an integer that is the smaller the higher the score.
func descending(score float64) uint64 {
	bits := math.Float64bits(score + 0) // -0 + 0 is 0: the two zeros are a tie
	if bits>>63 == 0 {
		return ^bits &^ (1 << 63)
	}
	return bits
}

// sortRanked returns the rows in the order of their keys. It is a radix sort from the
// lowest byte up, several times faster than comparing at the sizes that are slow.
func sortRanked(rows []ranked) []ranked {
	var counts [8][256]int
	for _, r := range rows {
		for digit := range counts {
			counts[digit][byte(r.key>>(8*digit))]++
		}
	}
	buffer := make([]ranked, len(rows))
	for digit := range counts {
		count := &counts[digit]
		if len(rows) > 0 && count[byte(rows[0].key>>(8*digit))] == len(rows) {
			continue // all rows share this digit
		}
		next := 0
		for v, c := range count {
			count[v] = next
			next += c
		}
		for _, r := range rows {
			v := byte(r.key >> (8 * digit))
			buffer[count[v]] = r
			count[v]++
		}
		rows, buffer = buffer, rows
	}
	return rows
}
