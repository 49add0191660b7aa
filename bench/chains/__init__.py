"""Made-up chains whose harmful change or broken source is known, and the cases drawn from them."""
