"""What a message means: English text to dialogue acts, without any model. Pure."""
