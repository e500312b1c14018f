"""Every published figure, measured beside its peer or its bound in one run."""
