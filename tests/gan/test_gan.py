"""The mathematics of gan: each test names the equation that it checks."""
