package multinomial

import (
	"math"
	"math/rand/v2"
)

// binomial draws from the binomial distribution of n trials with success probability p, 0 <
// p <= 1. It is exact up to the rounding of float64, and its cost does not grow with n. If fewer
// than ten successes are expected, it uses inversion, else the transformed rejection of
// Hörmann (1993), "The generation of binomial random variates" (BTRS).
func binomial(source *rand.PCG, n int, p float64) int {
	switch {
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(source, n, 1-p)
	case float64(n)*p < 10:
		return inversion(source, n, p)
	}
	return rejection(source, n, p)
}

// inversion adds up probabilities until the sum exceeds a uniform number.
func inversion(source *rand.PCG, n int, p float64) int {
	odds := p / (1 - p)
	none := math.Exp(float64(n) * math.Log1p(-p))
	for {
		u, probability := uniform(source), none
		for k := 0; k <= n && probability > 0; k++ {
			if u < probability {
				return k
			}
			u -= probability
			probability *= odds * float64(n-k) / float64(k+1)
		}
		// Rounding left the uniform number above the sum of all probabilities.
	}
}

// rejection needs n*p >= 10 and p <= 1/2. The names are those of the paper.
func rejection(source *rand.PCG, n int, p float64) int {
	nf := float64(n)
	spq := math.Sqrt(nf * p * (1 - p))
	b := 1.15 + 2.53*spq
	a := -0.0873 + 0.0248*b + 0.01*p
	c := nf*p + 0.5
	vr := 0.92 - 4.2/b
	for {
		u := uniform(source) - 0.5
		v := uniform(source)
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + c)
		if us >= 0.07 && v <= vr {
			return int(k) // inside the box, accepted at once
		}
		if k < 0 || k > nf {
			continue
		}
		alpha := (2.83 + 5.1/b) * spq
		m := math.Floor((nf + 1) * p)
		// the logarithm of the probability of k over that of the mode m
		ratio := logFactorial(m) + logFactorial(nf-m) - logFactorial(k) - logFactorial(nf-k) + (k-m)*math.Log(p/(1-p))
		if math.Log(v*alpha/(a/(us*us)+b)) <= ratio {
			return int(k)
		}
	}
}

// logFactorial returns ln k!, for whole k.
func logFactorial(k float64) float64 {
	if k < float64(len(logFactorials)) {
		return logFactorials[int(k)]
	}
	// Stirling's series; the first term left out is below 1e-13.
	const halfLogTwoPi = 0.91893853320467274178
	r := 1 / k
	return (k+0.5)*math.Log(k) - k + halfLogTwoPi + r*(1.0/12-r*r*(1.0/360-r*r/1260))
}

// logFactorials holds ln k! for k too small for Stirling's series.
var logFactorials = [...]float64{
	0, 0, 0.69314718055994531, 1.791759469228055, 3.1780538303479458, 4.7874917427820458,
	6.5792512120101012, 8.5251613610654147, 10.604602902745251, 12.801827480081469,
	15.104412573075516, 17.502307845873887, 19.987214495661885, 22.552163853123425,
	25.191221182738680, 27.899271383840890, 30.671860106080672, 33.505073450136891,
	36.395445208033053, 39.339884187199495, 42.335616460753485, 45.380138898476908,
	48.471181351835227, 51.606675567764377, 54.784729398112319, 58.003605222980518,
	61.261701761002002, 64.557538627006338, 67.889743137181540, 71.257038967168015,
}

func uniform(source *rand.PCG) float64 { return float64(source.Uint64()>>11) * 0x1p-53 }
