// Package twosample has further tests of two samples of numbers or of two rates, for an
// analyst who asks for one by name. Each function takes a reference and a current sample and
// returns a [drift.Result].
//
// [AndersonDarling], [CramerVonMises] and [EppsSingleton] see any difference of the
// distributions, [MannWhitney], [WelchT] and [StudentT] a shift. [EnergyDistance] and
// [NormalizedWasserstein1] are distances without a p-value. [FisherExact] compares two rates.
// The functions named after SciPy return SciPy's numbers where those differ.
//
// The functions never modify what they are given and are safe for concurrent use. Large
// samples are sorted on two processors.
package twosample
