"""How keyed state is stored: names, message formats, and access to users and due users."""
