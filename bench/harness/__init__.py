"""What bench/run is made of: starting servers, loading them, reading what it cost them."""
