"""Why a model says what it says, one file a method."""
