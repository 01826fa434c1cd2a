package sequential_test

import (
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/sequential"
)

// A watch looks after every label whether the new version costs more than the old one.
func ExampleBetting() {
	bets, err := sequential.NewBetting(sequential.BettingConfig{Alpha: 0.01})
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := 1; ; n++ {
		newLoss, oldLoss := 0.9, 0.4
		if n%5 == 0 {
			newLoss = 0.1
		}
		if err := bets.Add((newLoss - oldLoss + 1) / 2); err != nil {
			fmt.Println(err)
			return
		}
		if bets.Rejected() {
			fmt.Printf("harm proven after %d labels\n", n)
			return
		}
	}
	// Output: harm proven after 28 labels
}
