"""Texts of reviews and of answers for the bodies of `make bench`. Performs no I/O.

None of these sentences is among those that the mirror's dictionary is trained on; each review has others.
"""

import random

_TEXTS = {
    "fr": (
        (
            "Passage un samedi midi : la terrasse ombragée vaut le détour, et la tarte au citron aussi.",
            "On m'avait promis un devis sous quarante-huit heures, trois semaines plus tard j'attends encore.",
            "Les enfants ont adoré l'aire de jeux pendant que nous finissions notre repas.",
            "Deux vis manquaient dans le carton, mais le monsieur du dépôt me les a données tout de suite.",
            "Baguette croustillante, croissants pur beurre, mais la file va jusque sur le trottoir le dimanche.",
        ),
        (
            "Chère cliente, le chef est très touché par votre compliment sur sa tarte.",
            "Votre devis est parti ce matin par courrier, avec toutes nos excuses pour ce long silence.",
            "Nous vérifierons désormais deux fois le contenu de chaque carton avant le départ.",
            "Nous ouvrons une seconde caisse le dimanche matin, vous attendrez moins longtemps.",
        ),
    ),
    "es": (
        (
            "El fontanero llegó puntual, revisó la caldera y nos cobró justo lo que dijo.",
            "Pedimos croquetas de bacalao y un vino de la zona, luego paseamos por la muralla.",
            "La dependienta buscó mi talla en otras tres tiendas hasta encontrarla.",
        ),
        (
            "Estimada Pilar, hemos hablado con el encargado y su talla ya está apartada.",
            "Nos hace ilusión que le gustaran las croquetas, son receta de la abuela.",
            "La caldera tiene dos años de garantía, llámenos si nota algo raro.",
        ),
    ),
    "de": (
        (
            "Der Optiker hat meine alte Brille gerichtet und wollte nicht einmal etwas dafür.",
            "Beim Umtausch wurde ich dreimal von einer Abteilung zur nächsten geschickt.",
            "Knusprige Brötchen, aber am Sonntag steht man bis auf die Straße an.",
        ),
        (
            "Liebe Frau Krüger, die drei Abteilungen sitzen seit Montag an einem Tisch.",
            "Ihre Brille richten wir jederzeit wieder, kommen Sie einfach vorbei.",
            "Ab Oktober öffnen wir am Sonntag eine halbe Stunde früher.",
        ),
    ),
    "en": (
        (
            "Our dog got his own water bowl before we had even opened the menus.",
            "The plumber turned up two days late, then left mud across a cream carpet.",
            "A proper pie, mushy peas and a pint for less than a London sandwich.",
        ),
        (
            "Dear Hannah, a carpet cleaner will call you tomorrow, at our expense.",
            "Give the dog a pat from all of us, the bowl is waiting for him.",
            "The pie comes from the butcher next door, he will be glad to hear it.",
        ),
    ),
}
# French twice: most of Partoo's customers are.
_LANGUAGES = ("fr", "fr", "es", "de", "en")


def said(dice: random.Random) -> tuple[str, str]:
    """Give one or two sentences of a review, and all answers of its language in an order of its own."""
    opinions, answers = _TEXTS[dice.choice(_LANGUAGES)]
    return " ".join(dice.sample(opinions, dice.choice((1, 2)))), " ".join(dice.sample(answers, len(answers)))


def cut(text: str, length: int) -> str:
    """Cut a text to so many bytes as UTF-8, or fill it up with dots."""
    kept = text.encode()[:length].decode(errors="ignore")
    return kept + "." * (length - len(kept.encode()))
