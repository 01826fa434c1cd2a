package pipeline

import (
	"math"
	"math/rand/v2"
)

// applicant is the input of the credit service. Its tags are the schema; a pointer may be
// missing.
type applicant struct {
	Age             float64  `json:"age" validate:"required,gte=18,lte=100"`
	Income          *float64 `json:"income" validate:"gte=0"`           // a month
	EmploymentYears *float64 `json:"employment_years" validate:"gte=0"` // missing for the self-employed
	DebtRatio       float64  `json:"debt_ratio" validate:"required,gte=0"`
	Utilization     float64  `json:"utilization" validate:"required,gte=0,lte=1.5"` // of revolving credit
	LatePayments    float64  `json:"late_payments" validate:"required,gte=0"`       // in the last two years
	OpenLines       float64  `json:"open_lines" validate:"required,gte=0"`
	LoanAmount      float64  `json:"loan_amount" validate:"required,gt=0"`
	Region          string   `json:"region" validate:"required,oneof=north south east west"`
	Purpose         string   `json:"purpose" validate:"required,oneof=home car education business consolidation"`
}

// market is a state of the world: who applies, and which applicants will not pay back.
type market struct {
	income      float64 // median
	spread      float64 // of the logarithm of incomes
	utilization float64 // log odds of the typical applicant's
	debt        float64 // median debt ratio
	regions     []share
	purposes    []share

	// The log odds of a default: a base, and how much each feature adds.
	base, age, logIncome, employment, debtRatio, utilized, late, lines, logLoan float64
	region, purpose                                                             map[string]float64
}

// share is a category and how often it occurs.
type share struct {
	name string
	p    float64
}

// branches is the market that the first model learns: applicants come to a branch, which
// verifies what they state.
func branches() market {
	return market{
		income: 3200, spread: 0.50, utilization: -0.8, debt: 0.30,
		regions:  []share{{"north", 0.35}, {"south", 0.30}, {"east", 0.20}, {"west", 0.15}},
		purposes: []share{{"home", 0.30}, {"car", 0.30}, {"education", 0.15}, {"business", 0.10}, {"consolidation", 0.15}},

		base: -1.8, age: -0.02, logIncome: -1.4, employment: -0.08, debtRatio: 1.2, utilized: 3.5, late: 0.9, lines: 0.04, logLoan: 0.7,
		region:  map[string]float64{"east": 0.2, "west": 0.3},
		purpose: map[string]float64{"home": -0.4, "education": 0.2, "business": 0.3, "consolidation": 0.4},
	}
}

// broker is the market after the business has moved to a broker's portal, where nobody
// verifies. The move changes who applies: stated incomes are higher, credit lines emptier,
// and the west and consolidations grow. It also changes the causes of a default: a high
// income means nothing any more, and the size of the loan decides.
func broker() market {
	return market{
		income: 4600, spread: 0.60, utilization: -1.9, debt: 0.20,
		regions:  []share{{"north", 0.20}, {"south", 0.20}, {"east", 0.20}, {"west", 0.40}},
		purposes: []share{{"home", 0.12}, {"car", 0.18}, {"education", 0.10}, {"business", 0.25}, {"consolidation", 0.35}},

		base: -1.2, age: -0.06, logIncome: 0.2, employment: 0.05, debtRatio: 2.5, utilized: 0.8, late: 0.7, lines: 0.10, logLoan: 2.0,
		region:  map[string]float64{"north": 0.4, "west": -0.3},
		purpose: map[string]float64{"home": 0.5, "business": 0.6, "consolidation": -0.3},
	}
}

// population draws applicants at random, repeatably for a seed. It is not safe for
// concurrent use.
type population struct {
	random *rand.Rand
}

func newPopulation(seed uint64) *population {
	return &population{random: rand.New(rand.NewPCG(seed, 0x5e1f4ea1))}
}

// draw returns an applicant and whether he or she will default.
func (p *population) draw(m market) (applicant, bool) {
	wealth, discipline := p.random.NormFloat64(), p.random.NormFloat64()

	age := clamp(math.Round(44+13*p.random.NormFloat64()), 18, 90)
	employment := min(math.Round(7*p.random.ExpFloat64()*10)/10, age-18)
	income := m.income * math.Exp(m.spread*wealth+0.01*(age-44))
	if p.random.Float64() < 0.03 { // the few who earn many times what others do
		income *= math.Exp(p.random.ExpFloat64())
	}
	debt := m.debt * math.Exp(0.5*p.random.NormFloat64()-0.3*wealth)
	utilization := 1 / (1 + math.Exp(-(m.utilization - 0.9*discipline + 0.8*p.random.NormFloat64())))
	late := p.poisson(math.Exp(-1.2 - 0.9*discipline))
	lines := p.poisson(math.Exp(1.6 + 0.2*wealth))
	loan := 9000 * math.Exp(0.4*wealth+0.6*p.random.NormFloat64())

	a := applicant{
		Age:             age,
		Income:          optional(math.Round(income), p.random.Float64() < 0.06),
		EmploymentYears: optional(employment, p.random.Float64() < 0.08),
		DebtRatio:       math.Round(debt*1000) / 1000,
		Utilization:     math.Round(utilization*1000) / 1000,
		LatePayments:    late,
		OpenLines:       lines,
		LoanAmount:      math.Round(loan/100)*100 + 500,
		Region:          p.pick(m.regions),
		Purpose:         p.pick(m.purposes),
	}
	odds := m.base + m.age*(age-44) + m.logIncome*math.Log(income/m.income) + m.employment*(employment-7) +
		m.debtRatio*(debt-m.debt) + m.utilized*(utilization-0.35) + m.late*late + m.lines*(lines-5) +
		m.logLoan*math.Log(loan/9000) + m.region[a.Region] + m.purpose[a.Purpose]
	return a, p.random.Float64() < sigmoid(odds)
}

func (p *population) pick(shares []share) string {
	u := p.random.Float64()
	for _, s := range shares {
		if u -= s.p; u < 0 {
			return s.name
		}
	}
	return shares[len(shares)-1].name
}

// poisson draws a count by Knuth's method, which suits small means.
func (p *population) poisson(mean float64) float64 {
	n, product := 0.0, p.random.Float64()
	for limit := math.Exp(-min(mean, 30)); product > limit; n++ {
		product *= p.random.Float64()
	}
	return n
}

func clamp(x, low, high float64) float64 { return min(max(x, low), high) }

// optional returns nil for a missing value.
func optional(x float64, missing bool) *float64 {
	if missing {
		return nil
	}
	return &x
}
