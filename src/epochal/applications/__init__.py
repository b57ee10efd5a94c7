"""Applications built on the public interface of epochal."""
