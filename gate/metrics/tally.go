package metrics

import (
	"encoding/json"
	"fmt"
)

// Tally is the number of rows with the same truth and the same two answers. Truth, Production
// and Shadow are indices into the target's classes. On a first deployment Production is 0; on
// a regression all three are 0. In JSON a Tally is an array of the four numbers.
type Tally struct{ Truth, Production, Shadow, Rows int }

// MarshalJSON writes an array of four numbers.
func (t Tally) MarshalJSON() ([]byte, error) {
	return json.Marshal([4]int{t.Truth, t.Production, t.Shadow, t.Rows})
}

// UnmarshalJSON reads exactly four numbers.
func (t *Tally) UnmarshalJSON(data []byte) error {
	var four []int
	if err := json.Unmarshal(data, &four); err != nil {
		return err
	}
	if len(four) != 4 {
		return fmt.Errorf("metrics: tally of %d numbers, want 4", len(four))
	}
	*t = Tally{four[0], four[1], four[2], four[3]}
	return nil
}
