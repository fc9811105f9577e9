// Holds the precompiled GoogleTest headers of the test programs.
