"""What tests stand on: a world of two clinics, its people, servers and what is sent to them."""
